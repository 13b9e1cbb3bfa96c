import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Short files that take long: by their size they would be begun last, and run alone in the end. */
const LONG =
  /\/conformance\/|\/fault\/(idle-exit|linearizability|soak|stop-and-connect|update)|\/integration\/(packaging|seed-page)/

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): number => (LONG.test(moduleId) ? 0 : 1)
    return sorted.sort((left, right) => rank(left) - rank(right))
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // One published suite imports its assertions from the build system of its authors.
    alias: { 'aegir/chai': new URL('test/interop/chai-of-aegir.js', import.meta.url).pathname },
    server: { deps: { inline: ['interface-datastore-tests'] } },
    // Processes, not threads: POSIX locks belong to a process.
    pool: 'forks',
    // One more than the cores CI has: much of the time is spent waiting for what takes its time.
    maxWorkers: 3,
    // Reading certificates makes each of thousands of Node's starts half as long again. They are kept for
    // what installs packages.
    env: {
      NODE_EXTRA_CA_CERTS: '',
      PARTYD_TEST_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'] ?? ''
    },
    reporters: ['default', './test/harness/group-times.ts'],
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 30_000
  }
})
