// Fresh locations for tests that start daemons through the SDK or the command line, and the proof
// that nothing is left of them: no daemon, no socket, no private file.

import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a daemon may take to end once it has been told to. */
const END_MS = 10_000

export class Locations {
  readonly #directories: string[] = []

  /** A new empty directory; `name` for tests about names. */
  create(name = ''): string {
    const directory = realpathSync.native(mkdtempSync(join(tmpdir(), `partyd-test-${name}`)))
    this.#directories.push(directory)
    return directory
  }

  /** Ends every daemon of these locations, by its own id, and removes the directories. */
  async reap(): Promise<void> {
    for (const directory of this.#directories.splice(0)) {
      for (const pid of findDaemons(directory)) await endProcess(pid)
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

/** Process ids of the daemons of a location, or below it, found by their title. Linux only. */
export function findDaemons(location: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isDaemonOf(pid, location))
}

function isDaemonOf(pid: number, location: string): boolean {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    // A daemon has its title; one that is still booting has the arguments it was spawned with.
    return /^partyd |partyd\.cjs/.test(command) && command.includes(location)
  } catch {
    return false // It ended while we looked.
  }
}

async function endProcess(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGCONT')
    process.kill(pid, 'SIGKILL')
  } catch {
    return // It has ended already.
  }
  await until(() => !isAlive(pid), `the end of process ${pid}`)
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie has ended, and its parent just has not looked; but not while a thread of it goes on,
    // which still holds what the process held.
    const isZombie = /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return !isZombie || readdirSync(`/proc/${pid}/task`).length > 1
  } catch {
    return false
  }
}

/** Waits for a condition that no event announces. */
export async function until(condition: () => boolean, what: string, ms = END_MS): Promise<void> {
  const deadline = Date.now() + ms
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited ${ms} ms for ${what}`)
    await sleep(10)
  }
}

/** The pid in `partyd.json`, or undefined. */
export function publishedPid(location: string): number | undefined {
  const path = join(location, 'partyd.json')
  if (!existsSync(path)) return undefined
  return (JSON.parse(readFileSync(path, 'utf8')) as { pid: number }).pid
}
