// What becomes of the socket's file when others touch it. What may lie at its path when a daemon
// starts (17) is in test/integration/daemon-life.test.ts, 'what is at the endpoint' and 'exit
// codes': a stale socket, a regular file, a directory, links to a live socket and to nothing.

import {
  type BigIntStats,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { locationFiles } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { isAlive, publishedPid, until } from '../harness/locations.js'
import { now, Oracle } from '../harness/oracle.js'
import { setUp } from '../harness/set-up.js'
import { measureSlowness } from '../harness/slowness.js'

const { clients, locations } = setUp()

/** How soon the fence, which looks every 5 s, must have seen what is wrong. */
const FENCE_MS = 5_000 + 1_000 * measureSlowness()

function lookAt(path: string): BigIntStats {
  return lstatSync(path, { bigint: true })
}

describe('a daemon that closes its server late', () => {
  // 16
  it('does not take its successor’s socket away', async () => {
    const oracle = new Oracle(locations.create())
    const socket = join(oracle.location, 'partyd.sock')
    const first = clients.open(oracle.location, { spawn: oracle.spawn({ onSignal: 'endLate' }) })
    await first.put('a', '1')
    await first.close()
    const old = publishedPid(oracle.location) as number
    await PartyLevel.stop(oracle.location)
    await oracle.happened('lingering')
    const second = clients.open(oracle.location, { spawn: oracle.spawn() })
    await second.put('b', '2')
    const { ino } = lookAt(socket)
    expect(isAlive(old)).toBe(true)
    process.kill(old, 'SIGUSR2')
    await until(() => !isAlive(old), 'the end of the old daemon')
    expect(lookAt(socket).ino).toBe(ino)
    const third = clients.open(oracle.location, { autospawn: false, connectTimeoutMs: 2_000 })
    expect(await third.getMany(['a', 'b'])).toEqual(['1', '2'])
    await Promise.all([second.close(), third.close()])
    await oracle.expectCleanEnd(
      new Map([
        ['a', '1'],
        ['b', '2']
      ])
    )
  })
})

describe('an endpoint that is removed while its daemon serves', () => {
  // 18
  it('is published again, and connected clients do not notice', async () => {
    const oracle = new Oracle(locations.create())
    const socket = join(oracle.location, 'partyd.sock')
    const db = clients.open(oracle.location, { spawn: oracle.spawn() })
    const warnings: unknown[] = []
    db.on('warning', (warning) => warnings.push(warning))
    await db.put('a', '1')
    rmSync(socket)
    const removedAt = now()
    let puts = 0
    while (oracle.count('endpoint') < 2) {
      await db.put(`during ${puts++}`, 'x')
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(now() - removedAt).toBeLessThan(FENCE_MS)
    }
    console.log(`published again after ${Math.round(now() - removedAt)} ms`)
    expect(warnings).toEqual([])
    const late = clients.open(oracle.location, { autospawn: false, connectTimeoutMs: 2_000 })
    expect(await late.get('a')).toBe('1')
    expect(oracle.count('boot')).toBe(1)
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    await Promise.all([db.close(), late.close()])
    const during = Array.from({ length: puts }, (_, index) => [`during ${index}`, 'x'] as const)
    await oracle.expectCleanEnd(new Map([['a', '1'], ...during]))
  })
})

describe('a location that is removed and made anew under its daemon', () => {
  // 19
  it('is left by the daemon, which touches nothing in it', async () => {
    const oracle = new Oracle(locations.create())
    const first = clients.open(oracle.location, { spawn: oracle.spawn() })
    await first.put('old', '1')
    // It opens its log a little later than the rest, and would find the new directory.
    const { log } = locationFiles(oracle.location)
    await until(() => readFileSync(log, 'utf8').includes('serving'), 'the log')
    const old = publishedPid(oracle.location) as number
    rmSync(oracle.location, { recursive: true })
    const removedAt = now()
    mkdirSync(oracle.location)
    writeFileSync(join(oracle.location, 'LOCK'), '')
    writeFileSync(join(oracle.location, 'CURRENT'), 'mine')
    const before = describeFiles(oracle.location)
    await until(() => !isAlive(old), 'the end of the old daemon', FENCE_MS)
    console.log(`the old daemon was gone after ${Math.round(now() - removedAt)} ms`)
    expect(oracle.count('fence')).toBe(1)
    expect(oracle.count('close')).toBe(0)
    expect(describeFiles(oracle.location)).toEqual(before)
  })

  // 19
  it('belongs to the next daemon, also while the old one is there', async () => {
    const oracle = new Oracle(locations.create())
    const first = clients.open(oracle.location, { spawn: oracle.spawn() })
    await first.put('old', '1')
    const old = publishedPid(oracle.location) as number
    rmSync(oracle.location, { recursive: true })
    const second = clients.open(oracle.location, { spawn: oracle.spawn() })
    await second.put('new', '2')
    const { ino } = lookAt(join(oracle.location, 'partyd.sock'))
    await until(() => !isAlive(old), 'the end of the old daemon', FENCE_MS)
    expect(lookAt(join(oracle.location, 'partyd.sock')).ino).toBe(ino)
    // The client of the old daemon finds the new one.
    expect(await first.get('new')).toBe('2')
    expect(await first.get('old')).toBe(undefined)
    await Promise.all([first.close(), second.close()])
    await oracle.expectCleanEnd(new Map([['new', '2']]), { mayOverlap: true })
  })
})

/** Names, contents and inodes. */
function describeFiles(location: string): object[] {
  return readdirSync(location).map((name) => {
    const path = join(location, name)
    return { name, ino: lookAt(path).ino, text: readFileSync(path, 'utf8') }
  })
}
