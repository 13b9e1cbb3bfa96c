// What a daemon logs of operations that take long, and that it logs nothing of others.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../harness/locations.js'
import { type Mortality, mortalSpawn } from '../harness/mortal-daemon.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

interface SlowRecord {
  readonly msg: string
  readonly level: number
  readonly kind: string
  readonly count: number
  readonly bytes: number
  readonly ms: number
  readonly dropped: number
}

function readSlow(location: string): SlowRecord[] {
  const log = join(location, 'partyd.log')
  if (!existsSync(log)) return []
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
  return lines
    .map((line) => JSON.parse(line) as SlowRecord)
    .filter(({ msg }) => msg === 'slow operation')
}

function open(
  location: string,
  slowOperationsMs: number | undefined,
  mortality: Mortality = {}
): ReturnType<typeof clients.open> {
  return clients.open(location, { slowOperationsMs, spawn: mortalSpawn(mortality) })
}

async function logOf(location: string, kind: string): Promise<SlowRecord> {
  const find = (): SlowRecord | undefined =>
    readSlow(location).find((record) => record.kind === kind)
  await until(() => find() !== undefined, `a slow ${kind} in the log`)
  return find() as SlowRecord
}

describe('a slow operation is logged', () => {
  it('when it is a batch, and when writes have waited for it', async () => {
    const location = locations.create()
    const db = open(location, 200, { writeMs: 300 })
    await db.open()
    const first = db.put('a', 'x'.repeat(1_000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await Promise.all([first, ...Array.from({ length: 10 }, (_, n) => db.put(`key ${n}`, 'v'))])
    const batch = await logOf(location, 'batch')
    expect(batch).toMatchObject({ level: 40, count: 1, dropped: 0 })
    expect(batch.ms).toBeGreaterThanOrEqual(290)
    expect(batch.bytes).toBeGreaterThan(1_000)
    const queue = await logOf(location, 'queue')
    expect(queue).toMatchObject({ count: 10 })
    expect(queue.ms).toBeGreaterThanOrEqual(200)
  })

  it('by its kind: reads, steps of scans, checks, compactions', async () => {
    const location = locations.create()
    // Whatever takes any time at all.
    const db = open(location, 0)
    await db.batch(
      Array.from({ length: 100 }, (_, n) => ({ type: 'put', key: `key ${n}`, value: 'v' }))
    )
    const tries: Record<string, () => Promise<unknown>> = {
      scan: () => db.iterator().all(),
      hasMany: () => db.hasMany(['key 1', 'key 2']),
      getMany: () => db.getMany(Array.from({ length: 600 }, (_, n) => `key ${n}`)),
      checks: () => db.atomic().check('key 1', 'v').put('key 1', 'v').commit(),
      compactRange: () => db.compactRange('a', 'z')
    }
    for (const [kind, operation] of Object.entries(tries)) {
      // Only a few a second are told.
      await until(() => readSlow(location).length >= 0, 'the log')
      await new Promise((resolve) => setTimeout(resolve, 1_100))
      await operation()
      if (kind !== 'getMany') expect((await logOf(location, kind)).ms).toBeGreaterThanOrEqual(0)
    }
    expect(await logOf(location, 'scan')).toMatchObject({ count: 100 })
  })

  it('a few times a second at most, with the number of those that are not', async () => {
    const location = locations.create()
    const db = open(location, 0)
    const startedAt = performance.now()
    for (let index = 0; index < 500; index++) await db.put(`key ${index}`, 'v')
    const seconds = Math.ceil((performance.now() - startedAt) / 1_000) + 1
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await db.put('last', 'v')
    await until(() => readSlow(location).some(({ dropped }) => dropped > 0), 'the number')
    const records = readSlow(location)
    expect(records.length).toBeLessThanOrEqual(5 * (seconds + 2))
    const dropped = records.reduce((sum, record) => sum + record.dropped, 0)
    expect(records.length + dropped).toBeGreaterThan(900)
  })

  it('from one second on, unless told otherwise, also while the daemon runs', async () => {
    const location = locations.create()
    const db = open(location, undefined, { writeMs: 300 })
    await db.put('a', '1')
    expect(readSlow(location)).toEqual([])
    await commands.ask(['log-level', location, '--slow', '200ms'])
    await db.put('b', '2')
    expect(await logOf(location, 'batch')).toMatchObject({ count: 1 })
    await commands.ask(['log-level', location, '--slow', 'never'])
    const { length } = readSlow(location)
    await db.put('c', '3')
    expect(readSlow(location)).toHaveLength(length)
  })
})

it('a getMany of keys that only partyd may see is not slow', async () => {
  const location = locations.create()
  const db = open(location, undefined)
  const hidden = Buffer.alloc(17, 0xff)
  expect(await db.getMany([hidden], { keyEncoding: 'buffer' })).toEqual([undefined])
  await db.put('a', '1')
  expect(readSlow(location)).toEqual([])
})

it('the daemon in the foreground takes the threshold as an argument', async () => {
  const location = locations.create()
  const daemon = await commands.serve(location, ['--slow-operations', '0'])
  await clients.open(location).put('a', '1')
  await daemon.logged('"slow operation"')
  const { code } = await commands.ask(['status', location])
  expect(code).toBe(0)
})
