// Whether this machine has a program that some tests need.

import { spawnSync } from 'node:child_process'

/** If there is none, it is said that tests are skipped. */
export function hasProgram(name: string): boolean {
  const isThere = spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0
  if (!isThere) console.log(`skipped: there is no ${name} here`)
  return isThere
}
