// The order of operations that nobody awaits one by one: what a session sees of its own writes and
// of others', also when the daemon answers a read from what its commit queue holds.

import { describe, expect, it } from 'vitest'
import type { Clients } from '../harness/clients.js'
import { setUp } from '../harness/set-up.js'

const ROUNDS = 400

const { clients, locations } = setUp()

/** Databases of one location, each with a connection of its own. */
async function openThree(): Promise<ReturnType<Clients['open']>[]> {
  const location = locations.create()
  const databases = [1, 2, 3].map(() => clients.open(location))
  await Promise.all(databases.map((db) => db.open()))
  return databases
}

function toNumber(value: string | undefined): number {
  return Number(value ?? 0)
}

describe('a session whose operations are not awaited', () => {
  it('sees each of its writes, and none that come later', async () => {
    const [db] = (await openThree()) as [ReturnType<Clients['open']>]
    const results: Promise<string | undefined>[] = []
    const expected: (string | undefined)[] = []
    const read = (value: string | undefined): void => {
      results.push(db.get('key'))
      expected.push(value)
    }
    const writes: Promise<void>[] = []
    for (let round = 0; round < ROUNDS; round++) {
      writes.push(db.put('key', `put ${round}`), db.put('another', 'x'))
      read(`put ${round}`)
      writes.push(db.batch([{ type: 'put', key: 'key', value: `batch ${round}` }]))
      read(`batch ${round}`)
      writes.push(db.del('key'))
      read(undefined)
      if (round % 10 > 0) continue
      writes.push(db.put('key', 'to be cleared'), db.clear({ gte: 'k', lt: 'l' }))
      read(undefined)
    }
    expect(await Promise.all(results)).toEqual(expected)
    await Promise.all(writes)
  })

  it('is seen by another, or sees it: writes come before the reads behind them', async () => {
    const [left, right] = (await openThree()) as [
      ReturnType<Clients['open']>,
      ReturnType<Clients['open']>
    ]
    const missed: number[] = []
    for (let round = 1; round <= ROUNDS; round++) {
      const written = [left.put('left', `${round}`), right.put('right', `${round}`)]
      const [ofRight, ofLeft] = await Promise.all([left.get('right'), right.get('left')])
      if (toNumber(ofRight) < round && toNumber(ofLeft) < round) missed.push(round)
      await Promise.all(written)
    }
    expect(missed).toEqual([])
  })

  it('sees the writes of others in their order, and nothing that is not in the database', async () => {
    const [writer, reader, witness] = (await openThree()) as [
      ReturnType<Clients['open']>,
      ReturnType<Clients['open']>,
      ReturnType<Clients['open']>
    ]
    let acknowledged = 0
    const seen: number[] = []
    const checks: Promise<void>[] = []
    const check = async (known: number, value: Promise<string | undefined>): Promise<void> => {
      const found = toNumber(await value)
      seen.push(found)
      expect(found).toBeGreaterThanOrEqual(known)
      // What has been told to one is there for all.
      expect(toNumber(await witness.get('shared'))).toBeGreaterThanOrEqual(found)
    }
    const write = async (): Promise<void> => {
      for (let round = 1; round <= ROUNDS; round++) {
        await writer.put('shared', `${round}`)
        acknowledged = round
      }
    }
    const writing = write()
    for (let count = 0; acknowledged < ROUNDS; count++) {
      const own = reader.put('own', `${count}`)
      checks.push(check(acknowledged, reader.get('shared')))
      checks.push(check(acknowledged, reader.get('shared')))
      if (count % 4 === 0) await own
    }
    await Promise.all([writing, ...checks])
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })
})
