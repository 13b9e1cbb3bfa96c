// Entry of the executable. A spawned daemon takes the short way; everything a person types goes
// through the command line library.

import { parseDaemonArguments } from '@partyd/shared'

export async function main(list: readonly string[]): Promise<void> {
  if (list.includes('--auto')) {
    const { serve } = await import('./daemon.js')
    await serve(parseDaemonArguments(list))
    return
  }
  const { runCommandLine } = await import('./commands/command-line.js')
  await runCommandLine(list)
}
