// datastore-level, libp2p's datastore, passes the suite of its interface over a PartyLevel.

import { PartyLevel } from '@partyd/client'
import { LevelDatastore } from 'datastore-level'
import { Key } from 'interface-datastore'
import { interfaceDatastoreTests } from 'interface-datastore-tests'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { killDaemon } from '../harness/kill-daemon.js'
import { Locations } from '../harness/locations.js'

const locations = new Locations()
afterAll(() => locations.reap())

type Test = (this: { timeout: (ms: number) => void }) => unknown

// The suite is written for mocha.
Object.assign(globalThis, {
  describe,
  it: (name: string, test: Test) => it(name, () => test.call({ timeout() {} }) as Promise<void>),
  before: beforeAll,
  after: afterAll,
  beforeEach,
  afterEach
})

async function openStore(location = locations.create()): Promise<LevelDatastore> {
  const db = new PartyLevel<string, Uint8Array>(location, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    idleTimeoutMs: 200
  })
  // The type that it wants is a class with private members.
  const store = new LevelDatastore(db as never)
  await store.open()
  return store
}

describe('datastore-level', () => {
  interfaceDatastoreTests({
    setup: () => openStore(),
    teardown: (store) => store.close()
  })
})

describe('two datastores on one location', () => {
  it('see what the other has put, before and after the daemon is killed', async () => {
    const location = locations.create()
    const stores = await Promise.all([openStore(location), openStore(location)])
    const [one, other] = stores as [LevelDatastore, LevelDatastore]
    await one.put(new Key('/a/one'), Buffer.from('1'))
    await killDaemon(location)
    await other.put(new Key('/a/other'), Buffer.from('2'))
    const found: string[] = []
    for await (const { key, value } of one.query({ prefix: '/a' })) {
      found.push(`${key} ${Buffer.from(value)}`)
    }
    expect(found).toEqual(['/a/one 1', '/a/other 2'])
    expect(Buffer.from(await other.get(new Key('/a/one'))).toString()).toBe('1')
    for (const store of stores) await store.close()
  })
})
