import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, not threads: POSIX locks belong to a process.
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', './test/harness/group-times.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
