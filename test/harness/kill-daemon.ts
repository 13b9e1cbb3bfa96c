// The death of the daemon that serves a location, at any moment.

import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, publishedPid, until } from './locations.js'

/** Kills the daemon that serves, not one that is dead and still written down; stops it before that. */
export async function killDaemon(location: string, stoppedMs = 0): Promise<void> {
  await until(() => isAlive(publishedPid(location) ?? 0), 'a daemon to be published')
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGSTOP')
  await sleep(stoppedMs)
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}
