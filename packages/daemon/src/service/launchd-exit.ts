// launchd knows one rule for starting a job again: whether it ended with code 0. What would be the
// same the next time has to end so.

import { EXIT_CODES } from '@partyd/shared'

/** Said in the property list: the environment is not to change what exit codes mean. */
export const LAUNCHD_FLAG = '--launchd'

const HOPELESS: readonly number[] = [
  EXIT_CODES.usage,
  EXIT_CODES.corrupt,
  EXIT_CODES.incompatibleData
]

/** From here on this process ends with code 0 where starting it again would be of no use. */
export function reportHopelessAsDone(): void {
  process.on('exit', (code) => {
    if (!HOPELESS.includes(code)) return
    process.stderr.write(
      `partyd: exit code ${code} becomes 0, or launchd would start the daemon again for ever\n`
    )
    process.exitCode = 0
  })
}
