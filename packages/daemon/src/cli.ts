// Entry of the executable for what a person types.

import { runCommandLine } from './commands/command-line.js'
import { LAUNCHD_FLAG, reportHopelessAsDone } from './service/launchd-exit.js'

export function main(list: readonly string[]): Promise<void> {
  if (list[0] === 'serve' && list.includes(LAUNCHD_FLAG)) reportHopelessAsDone()
  return runCommandLine(list)
}
