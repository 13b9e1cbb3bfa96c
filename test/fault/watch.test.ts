// Watches under daemons that are killed and stopped: nothing is missed by whoever reads again after a
// reset, and a daemon that nobody waits for is not started.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Change, PartyLevel } from '@partyd/client'
import { describe, expect, it, vi } from 'vitest'
import { killDaemon } from '../harness/kill-daemon.js'
import { findDaemons, isAlive, publishedPid, until } from '../harness/locations.js'
import { Random } from '../harness/random.js'
import { setUp } from '../harness/set-up.js'

vi.setConfig({ testTimeout: 120_000 })

const { clients, locations } = setUp()

/** Something that a watch can be made of: a database or a sublevel. */
interface Watchable {
  watch(): AsyncIterableIterator<Change<string, string>, undefined> & { close(): Promise<void> }
  iterator(): AsyncIterable<[string, string]>
}

interface Followed {
  /** What is there, as the changes tell it. */
  readonly view: ReadonlyMap<string, string>
  readonly resets: number
  readonly changes: number
}

/**
 * The recipe of the README: watch, then scan; after a reset scan again. Until the key `end` is there.
 * @param onWhole called when the view is of a whole number of batches, and not of a past scan's.
 */
async function follow(
  db: Watchable,
  onWhole: (view: Map<string, string>) => void
): Promise<Followed> {
  const view = new Map<string, string>()
  let resets = 0
  let changes = 0
  const watch = db.watch()
  const load = async (): Promise<void> => {
    view.clear()
    for await (const [key, value] of db.iterator()) view.set(key, value)
  }
  await load()
  for (let isWhole = true; !isWhole || !view.has('end'); ) {
    const { value: change } = await watch.next()
    if (change === undefined) throw new Error('The watch ended')
    if (change.type === 'reset') {
      resets++
      await load()
      isWhole = true
      continue
    }
    changes++
    if (change.type === 'put') view.set(change.key, change.value)
    else view.delete(change.key)
    isWhole = change.last
    if (isWhole) onWhole(view)
  }
  await watch.close()
  return { view, resets, changes }
}

/**
 * Writes this and that until SIGUSR2: puts, dels, batches of a pair that is always the same, clears.
 * Arguments: location, name.
 */
const WRITE = `
const [, , name] = process.argv
const db = new PartyLevel(location)
const sublevel = db.sublevel('sub')
let isOver = false
process.once('SIGUSR2', () => { isOver = true })
const random = (below) => Math.floor(Math.random() * below)
for (let index = 0; !isOver; index++) {
  const value = name + ' ' + index
  const target = random(2) === 0 ? db : sublevel
  const key = 'key ' + random(40)
  const pair = ['put', 'put'].map((type, at) => ({ type, key: 'pair ' + at, value }))
  const kind = random(20)
  if (kind < 8) await target.put(key, value)
  else if (kind < 12) await target.del(key)
  else if (kind < 16) await target.batch(pair)
  else if (kind < 18) await target.update(key, (old = '') => value + old.slice(0, 20))
  else if (kind < 19) await target.clear({ gte: 'key 1', lt: 'key 2' })
  else await Promise.all(Array.from({ length: 50 }, (_, at) => target.put('key ' + at, value)))
  if (index === 0) console.log('writing')
  await new Promise((resolve) => setTimeout(resolve, random(4)))
}
await db.close()
`

describe('whoever watches, scans, and scans again after a reset', () => {
  const seed = Random.seed()

  it(`has seen everything, however often the daemon is killed (seed ${seed})`, async () => {
    const random = new Random(seed)
    const location = locations.create()
    const writers = ['a', 'b', 'c'].map((name) =>
      clients.start(WRITE, { args: [location, name], timeoutMs: 100_000 })
    )
    await Promise.all(writers.map((writer) => writer.printed('writing')))
    const db = clients.open(location)
    const sublevel = db.sublevel('sub')
    const torn: string[] = []
    const checkPair = (view: Map<string, string>): void => {
      if (view.get('pair 0') !== view.get('pair 1')) torn.push(JSON.stringify([...view]))
    }
    const following = [
      follow(db, checkPair),
      follow(sublevel, checkPair),
      follow(clients.open(location), checkPair)
    ]
    const kills = 8
    for (let count = 0; count < kills; count++) {
      await until(() => isAlive(publishedPid(location) as number), 'the next daemon', 30_000)
      await sleep(random.below(400))
      await killDaemon(location)
    }
    await until(() => isAlive(publishedPid(location) as number), 'the last daemon', 30_000)
    await sleep(500)
    for (const { child } of writers) child.kill('SIGUSR2')
    for (const { finished } of writers) {
      expect(await finished).toMatchObject({ code: 0, stderr: '' })
    }
    await db.batch([
      { type: 'put', key: 'end', value: '' },
      { type: 'put', key: 'end', value: '', sublevel }
    ])
    const [ofDatabase, ofSublevel, ofOther] = await Promise.all(following)
    for (const followed of [ofDatabase, ofSublevel, ofOther]) {
      console.log(`${followed?.changes} changes, ${followed?.resets} resets`)
      expect(followed?.resets).toBeGreaterThan(0)
      expect(followed?.resets).toBeLessThanOrEqual(kills)
      expect(followed?.changes).toBeGreaterThan(0)
    }
    const stored = await db.iterator().all()
    expect([...(ofDatabase?.view ?? [])].sort()).toEqual(stored)
    expect([...(ofOther?.view ?? [])].sort()).toEqual(stored)
    expect([...(ofSublevel?.view ?? [])].sort()).toEqual(await sublevel.iterator().all())
    expect(torn).toEqual([])
  })
})

describe('a watch whose daemon', () => {
  it('is killed while it is awaited gets one reset from the next', async () => {
    const location = locations.create()
    const db = clients.open(location)
    const watch = db.watch()
    await db.put('a', '1')
    expect((await watch.next()).value).toMatchObject({ key: 'a' })
    const waiting = watch.next()
    await killDaemon(location)
    // Nobody else needs a daemon.
    expect((await waiting).value).toEqual({ type: 'reset' })
    await db.put('b', '1')
    expect((await watch.next()).value).toMatchObject({ key: 'b', seq: 1 })
    await PartyLevel.stop(location)
    expect((await watch.next()).value).toEqual({ type: 'reset' })
    await db.put('c', '1')
    expect((await watch.next()).value).toMatchObject({ key: 'c' })
  })

  it('is killed twice with changes unread gets one reset, and has not started any', async () => {
    const location = locations.create()
    const db = clients.open(location)
    const watch = db.watch()
    await db.put('a', '1')
    await killDaemon(location)
    await db.put('b', '1')
    await killDaemon(location)
    await sleep(500)
    expect(findDaemons(location)).toEqual([])
    expect((await watch.next()).value).toEqual({ type: 'reset' })
    await db.put('c', '1')
    expect((await watch.next()).value).toMatchObject({ key: 'c' })
  })

  it('is killed before it has begun begins on the next, before what comes behind it', async () => {
    const location = locations.create()
    const db = clients.open(location)
    await db.put('a', '1')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    const watch = db.watch()
    const behind = db.put('b', '1')
    // Both are on their way.
    await sleep(50)
    await killDaemon(location)
    await Promise.all([watch.ready, behind])
    expect((await watch.next()).value).toMatchObject({ type: 'put', key: 'b' })
  })

  it('is lost without retry fails, awaited or not', async () => {
    const location = locations.create()
    const db = clients.open(location, { retry: false })
    const [awaited, other] = [db.watch(), db.watch()]
    await Promise.all([awaited.ready, other.ready])
    const lost = { code: 'LEVEL_CONNECTION_LOST', operation: 'watch' }
    const waiting = expect(awaited.next()).rejects.toMatchObject(lost)
    await killDaemon(location)
    await waiting
    await expect(other.next()).rejects.toMatchObject(lost)
    expect(await other.next()).toEqual({ done: true, value: undefined })
    const next = db.watch()
    await db.put('a', '1')
    expect((await next.next()).value).toMatchObject({ key: 'a' })
  })

  it('cannot be had again fails with the reason', async () => {
    const location = locations.create()
    const starter = clients.open(location)
    await starter.open()
    const db = clients.open(location, { autospawn: false, retryTimeoutMs: 500 })
    const watch = db.watch()
    await watch.ready
    const timedOut = { code: 'PARTYD_TIMEOUT', operation: 'watch' }
    const waiting = expect(watch.next()).rejects.toMatchObject(timedOut)
    await killDaemon(location)
    await waiting
    expect(await watch.next()).toEqual({ done: true, value: undefined })
  })
})
