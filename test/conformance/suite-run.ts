// One run of a suite's program against daemons in other processes: its TAP, and what it leaves.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { findDaemons, Locations, until } from '../harness/locations.js'

/** When a run is ended by force. With new locations it takes about three minutes on two idle cores. */
export const RUN_MS = 20 * 60_000

/** Whether each database of a suite gets a new location, or one that an earlier one was closed in. */
export type SuiteLocations = 'new' | 'reused'

/** Reused ones save some seven hundred starts of a daemon a run. */
export const REUSED_UNLESS_SLOW: SuiteLocations =
  process.env['PARTYD_TEST_SLOW'] === undefined ? 'reused' : 'new'

/** How many locations a run has at least, or it is not the run that was meant. */
const LOCATIONS_MIN = { new: 350, reused: 2 }

/** When the daemons of a run have ended for want of clients. */
const IDLE_EXIT_MS = 30_000

/** What LevelDB keeps in a directory, and the one file that partyd leaves there. */
const LEFT_BEHIND = /^(CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(log|ldb)|partyd\.log)$/

interface Finished {
  readonly code: number | null
  readonly tap: string
  readonly stderr: string
}

/**
 * Runs a suite to its end, and expects that it passes, that it was run in full over real daemons,
 * and that they end by themselves and leave nothing but the databases.
 */
export async function expectSuitePasses(
  program: URL,
  locationsOfRun: SuiteLocations,
  args: readonly string[],
  assertionsMin: number
): Promise<void> {
  const locations = new Locations()
  try {
    const root = locations.create('suite-')
    const startedAt = Date.now()
    const { code, tap, stderr } = await run(program, [root, locationsOfRun, ...args])
    const seconds = Math.round((Date.now() - startedAt) / 1000)
    const { tests, pass } = readFooter(tap)
    const databases = readdirSync(root).filter((name) => existsSync(join(root, name, 'CURRENT')))
    const title = [basename(program.pathname), locationsOfRun, ...args].join(' ')
    console.log(
      `${title}: ${pass} of ${tests} assertions, ${databases.length} locations, ${seconds} s`
    )

    expect(findFailures(tap), 'failing assertions').toEqual([])
    expect(stderr, 'warnings of the process').toBe('')
    expect({ code, pass }, tap.slice(-2000)).toEqual({ code: 0, pass: tests })
    expect(tests).toBeGreaterThan(assertionsMin)
    expect(databases.length).toBeGreaterThan(LOCATIONS_MIN[locationsOfRun])

    const isOver = (): boolean => findDaemons(root).length === 0
    await until(isOver, 'the daemons to end by themselves', IDLE_EXIT_MS)
    expect(readdirSync(root).flatMap((name) => findTraces(join(root, name)))).toEqual([])
  } finally {
    await locations.reap()
  }
}

/** What a daemon should have taken away with it, and the log that may tell why it did not. */
function findTraces(location: string): string[] {
  return readdirSync(location)
    .filter((name) => !LEFT_BEHIND.test(name))
    .map((name) => `${name}\n${readFileSync(join(location, 'partyd.log'), 'utf8')}`)
}

async function run(program: URL, args: readonly string[]): Promise<Finished> {
  const child = spawn(process.execPath, [fileURLToPath(program), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_MS,
    killSignal: 'SIGKILL'
  })
  let tap = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    tap += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, tap, stderr }
}

/** The numbers at the end of the TAP; NaN when the program did not get there. */
function readFooter(tap: string): { tests: number; pass: number } {
  const read = (name: string): number =>
    Number(new RegExp(`^# ${name} +(\\d+)$`, 'm').exec(tap)?.[1])
  return { tests: read('tests'), pass: read('pass') }
}

/** Each failing assertion with its diagnosis, under the name of its test. */
function findFailures(tap: string): string[] {
  const failures: string[] = []
  let name = ''
  let diagnosis: string[] | undefined
  for (const line of tap.split('\n')) {
    if (line.startsWith('# ')) name = line
    if (/^(ok|not ok|#)/.test(line)) diagnosis = undefined
    if (line.startsWith('not ok')) diagnosis = [name]
    diagnosis?.push(line)
    if (diagnosis !== undefined && line === '  ...') failures.push(diagnosis.join('\n'))
  }
  return failures
}
