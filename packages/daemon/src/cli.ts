// Entry of the executable for what a person types.

import { runCommandLine } from './commands/command-line.js'

export function main(list: readonly string[]): Promise<void> {
  return runCommandLine(list)
}
