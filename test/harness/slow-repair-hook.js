// Preloaded into `partyd repair` or `partyd destroy`: says when it begins on the files, and waits for
// leave to go on. The product knows nothing of it.

import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

const { ClassicLevel } = createRequire(process.argv[1])('classic-level')
const { begun, leave } = JSON.parse(process.env['PARTYD_TEST_SLOW_REPAIR'])

for (const name of ['repair', 'destroy']) {
  const run = ClassicLevel[name]
  ClassicLevel[name] = async (location) => {
    writeFileSync(begun, String(process.pid))
    while (!existsSync(leave)) await sleep(10)
    await run.call(ClassicLevel, location)
  }
}
