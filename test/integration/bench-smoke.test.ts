// The benchmark's harness, on the peers that are there without its dependencies. Results are
// checked, never times.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DataSet } from '../../bench/dist/data-set.js'
import type { Store } from '../../bench/dist/peers/peer.js'
import type { Results } from '../../bench/dist/results.js'
import { runTask } from '../../bench/dist/tasks/run-task.js'
import type { Task } from '../../bench/dist/tasks/task.js'
import { Command } from '../harness/command.js'

const MAIN = fileURLToPath(new URL('../../bench/dist/main.js', import.meta.url))

/** Every kind of task, each by one or two cells. */
const CELLS = {
  'get-1x64': ['partyd', 'classic-level'],
  'mixed-4x64': ['partyd'],
  'batch-10-1x8': ['partyd', 'classic-level'],
  'getMany-100-1x1': ['partyd', 'classic-level'],
  'scan-iterator-utf8': ['partyd', 'classic-level'],
  'scan-nextv-buffer': ['partyd', 'classic-level'],
  'scan-reverse-utf8': ['partyd', 'classic-level'],
  'ranges-20-1x1': ['partyd', 'classic-level'],
  'sync-put-1x64': ['partyd', 'classic-level'],
  'get-loaded': ['partyd', 'echo'],
  'cold-start': ['node alone', 'partyd', 'classic-level']
}

/** Seconds on an idle machine; but the rest of the suite runs beside it. */
const RUN_MS = 120_000

let directory: string
let command: Command | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'partyd-test-bench-'))
})

afterEach(async () => {
  await command?.end()
  command = undefined
  rmSync(directory, { recursive: true })
})

function start(args: readonly string[]): Command {
  const list = [MAIN, '--quick', '--no-install', '--rounds', '1', '--directory', directory, ...args]
  command = new Command(process.execPath, list, { timeoutMs: RUN_MS })
  return command
}

describe('the benchmark', () => {
  it(
    'runs, checks what it reads, and writes results',
    async () => {
      const only = `^(${Object.keys(CELLS).join('|')})$`
      const output = join(directory, 'output')
      const peers = 'partyd,classic-level,echo'
      await start(['--only', only, '--peers', peers, '--output', output]).succeeded()

      const results = JSON.parse(readFileSync(join(output, 'results.json'), 'utf8')) as Results
      const measurements = results.families.flatMap((family) => family.measurements)
      const entrants = Object.fromEntries(
        Object.keys(CELLS).map((name) => [
          name,
          measurements.filter(({ cell }) => cell === name).map(({ entrant }) => entrant)
        ])
      )
      expect(entrants).toEqual(CELLS)
      for (const { values } of measurements) {
        const rounds = values.operationsPerSecond ?? values.ms
        expect(rounds).toEqual([expect.any(Number)])
        expect(rounds?.[0]).toBeGreaterThan(0)
      }
      expect(results.verdicts.map(({ result }) => result)).toContain('not measured')
      const report = readFileSync(join(output, 'RESULTS.md'), 'utf8')
      for (const cell of Object.keys(CELLS)) expect(report).toContain(`### ${cell}\n`)
    },
    RUN_MS
  )

  it('says what is missing and goes on', async () => {
    // Without a redis-server on PATH, whether or not its client is installed.
    const env = { ...process.env, PATH: directory }
    command = new Command(
      process.execPath,
      [MAIN, '--quick', '--no-install', '--only', '^get-1x1$', '--peers', 'redis,classic-level'],
      { env }
    )
    const { stdout } = await command.succeeded()
    expect(stdout).toContain('missing: redis: ')
    expect(stdout).toMatch(/^\| classic-level +\| \d/m)
  })
})

describe('a task', () => {
  const data = new DataSet({ keys: 64, valueBytes: 100 })
  const entries = data.keys.map((key, index) => [key, data.value(index, 0)] as const)
  const faulty = entries.map(([key, value], index) => [key, index === 40 ? 'x' : value] as const)

  function storeOf(list: readonly (readonly [string, string])[]): Store {
    const values = new Map(list)
    return {
      get: (key) => values.get(key),
      getMany: (keys) => keys.map((key) => values.get(key)),
      scan: (_, onEntry) => {
        for (const [key, value] of list) onEntry(key, value)
      },
      close: () => undefined
    }
  }

  const run = (task: Task, list: readonly (readonly [string, string])[]): Promise<unknown> =>
    runTask(task, [storeOf(list)], data, {
      inFlight: 1,
      startAt: 0,
      durationMs: 50,
      seed: 1
    })

  const SCAN: Task = { kind: 'scan', method: 'iterator', encoding: 'utf8' }
  const READS: readonly Task[] = [SCAN, { kind: 'point', puts: 0 }, { kind: 'getMany', size: 10 }]

  it.each(READS)('$kind passes with the right values and fails with a wrong one', async (task) => {
    await expect(run(task, entries)).resolves.toHaveProperty('operations')
    await expect(run(task, faulty)).rejects.toThrow("The value of 'key-000000000040' is wrong: 'x'")
  })

  it('scan fails with an entry too few, too many, or out of order', async () => {
    await expect(run(SCAN, entries.slice(0, -1))).rejects.toThrow('A scan gave 63 of 64 entries')
    await expect(run(SCAN, [...entries, ['more', 'x']])).rejects.toThrow('Expected the key')
    await expect(run(SCAN, entries.toReversed())).rejects.toThrow("Expected the key 'key-0000")
  })
})
