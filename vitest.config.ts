import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files of the conformance group take minutes each: begun last, they would run alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): number =>
      moduleId.includes('/conformance/') ? 0 : 1
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
    maxWorkers: 2,
    reporters: ['default', './test/harness/group-times.ts'],
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 30_000
  }
})
