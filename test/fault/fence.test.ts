// LevelDB's lock is lost without a word when the daemon's process closes any descriptor of its
// file. Then only the fence stands between two daemons.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { locationFiles } from '@partyd/shared'
import { afterAll, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { now, Oracle } from '../harness/oracle.js'
import { measureSlowness } from '../harness/slowness.js'

const clients = new Clients()
const locations = new Locations()
afterAll(async () => {
  await clients.end()
  await locations.reap()
})

/** How soon the fence, which looks every 5 s, must have seen what is wrong. */
const FENCE_MS = 5_000 + 1_000 * measureSlowness()

// Side by side: they take their time, and hardly any processor.
describe.concurrent('a daemon that has lost LevelDB’s lock', () => {
  // 20
  it('ends itself, and the next one serves', async () => {
    const oracle = new Oracle(locations.create())
    const spawn = oracle.spawn({ onSignal: 'dropLock' })
    const db = clients.open(oracle.location, { spawn })
    await db.put('before', 'x')
    const old = publishedPid(oracle.location) as number
    process.kill(old, 'SIGUSR2')
    const { t: droppedAt } = await oracle.happened('handled')
    // Acknowledged by the old daemon, which knows nothing yet; in the log, so the next one has it.
    await db.put('after', 'x')
    await until(() => !isAlive(old), 'the end of the old daemon', FENCE_MS)
    console.log(`it ended after ${Math.round(now() - droppedAt)} ms`)
    const log = readFileSync(locationFiles(oracle.location).log, 'utf8')
    expect(log).toContain('the kernel does not list our lock any more')
    expect(oracle.count('fence')).toBe(1)
    // SIGKILL, because every other end would run LevelDB's destructor.
    expect(oracle.all('exit').filter(({ pid }) => pid === old)).toEqual([])
    expect(oracle.count('close')).toBe(0)
    await db.put('next', 'x')
    expect(oracle.count('publish')).toBe(2)
    await db.close()
    await oracle.expectCleanEnd(
      new Map([
        ['before', 'x'],
        ['after', 'x'],
        ['next', 'x']
      ])
    )
  })

  // 20, with nothing left that keeps others away. It also shows that two owners do not go unseen.
  it('ends itself also when another serves in its place by then', async () => {
    const oracle = new Oracle(locations.create())
    const spawn = oracle.spawn({ onSignal: 'dropLock' })
    const first = clients.open(oracle.location, { spawn })
    await first.put('first', 'x')
    const old = publishedPid(oracle.location) as number
    process.kill(old, 'SIGUSR2')
    await oracle.happened('handled')
    rmSync(join(oracle.location, 'partyd.sock'))
    const second = clients.open(oracle.location, { spawn })
    await second.put('second', 'x')
    await until(() => !isAlive(old), 'the end of the old daemon', FENCE_MS)
    expect(oracle.count('fence')).toBe(1)
    expect(oracle.count('publish')).toBe(2)
    // On a slow machine the fence may have been quicker than the second daemon.
    const [, opened] = oracle.all('open').map(({ t }) => t)
    const [fenced] = oracle.all('fence').map(({ t }) => t)
    expect(oracle.faults).toHaveLength((opened as number) < (fenced as number) ? 1 : 0)
    expect(await first.getMany(['first', 'second'])).toEqual(['x', 'x'])
    await Promise.all([first.close(), second.close()])
    await oracle.expectCleanEnd(
      new Map([
        ['first', 'x'],
        ['second', 'x']
      ]),
      { mayOverlap: true }
    )
  })
})
