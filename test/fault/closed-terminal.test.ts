// A daemon in the foreground of a terminal whose window is closed.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Command, canRun } from '../harness/command.js'
import { DAEMON_ENTRY } from '../harness/daemon-command.js'
import { setUp } from '../harness/set-up.js'

const { locations } = setUp()

/** Runs a command on a terminal of its own, closes that once a file is there, and prints the exit code. */
const ON_TERMINAL = `
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
while not os.path.exists(sys.argv[1]): time.sleep(0.05)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

const hasPython = await canRun('python3', '-c', 'import pty')
if (!hasPython) console.log('Skipped: there is no python3 to make a terminal with.')

it.runIf(hasPython)('ends well, and gives the location back', async () => {
  const location = locations.create()
  const daemon = [process.execPath, DAEMON_ENTRY, location]
  const args = ['-c', ON_TERMINAL, join(location, 'partyd.json'), ...daemon]
  const { stdout } = await new Command('python3', args).succeeded()
  expect(stdout).toBe('0\n')
  expect(existsSync(join(location, 'partyd.json'))).toBe(false)
})
