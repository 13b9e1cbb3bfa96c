// A location whose directory takes no change any more while its daemon serves, as when its file system
// is remounted read-only: what can be given back is, and the end is the one that was meant.

import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { locationFiles } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import type { DaemonCommand } from '../harness/daemon-command.js'
import { readWithClassicLevel } from '../harness/foreign-process.js'
import { until } from '../harness/locations.js'
import { Oracle } from '../harness/oracle.js'
import { setUp } from '../harness/set-up.js'

/** Modes of directories do not count for root. */
const NOBODY = 65_534
const asNobody = process.getuid?.() === 0 ? { uid: NOBODY } : {}

const { clients, commands, locations } = setUp()

/** A location that belongs to whoever the daemon runs as. */
function createLocation(): string {
  const location = locations.create()
  if (asNobody.uid !== undefined) chownSync(location, NOBODY, NOBODY)
  return location
}

/** No file of it can be renamed or removed from here on. */
function lock(location: string): void {
  chmodSync(location, 0o555)
}

/** A test must be able to look at it and to remove it. */
function unlock(location: string): void {
  chmodSync(location, 0o700)
}

/** What it has warned of, in order. */
function warningsOf({ logRecords }: DaemonCommand): unknown[] {
  return logRecords.filter(({ level }) => level === 40).map(({ msg }) => msg)
}

describe('a daemon whose directory takes no change any more', () => {
  it('ends with code 0 on a signal, and closes the database', async () => {
    const location = createLocation()
    const daemon = await commands.serve(location, [], asNobody)
    const db = clients.open(location, { autospawn: false })
    await db.put('a', '1')
    await db.close()
    lock(location)
    daemon.child.kill('SIGTERM')
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(daemon.stderr).toBe('')
    expect(daemon.logRecords.at(-1)).toMatchObject({ msg: 'stopped' })
    const warnings = warningsOf(daemon)
    expect(warnings).toContainEqual(expect.stringContaining('partyd.sock'))
    expect(warnings).toContainEqual(expect.stringContaining('partyd.json'))
    unlock(location)
    expect(await readWithClassicLevel(location)).toEqual([['a', '1']])
  })

  it('ends when idle', async () => {
    const location = createLocation()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '300'], asNobody)
    const db = clients.open(location, { autospawn: false })
    await db.put('a', '1')
    // It opens its log a little later than the rest.
    const { log } = locationFiles(location)
    await until(() => existsSync(log), 'the log')
    lock(location)
    await db.close()
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    unlock(location)
    expect(readFileSync(log, 'utf8')).toContain('"msg":"stopped"')
  })

  it('stays for a client that comes while it would leave', async () => {
    const directory = createLocation()
    const oracle = new Oracle(directory)
    const { location } = oracle
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '300'], {
      ...asNobody,
      env: oracle.env({ beforeParkMs: 1_500 })
    })
    const first = clients.open(location, { autospawn: false })
    await first.put('a', '1')
    lock(location)
    await first.close()
    await oracle.happened('parking')
    const second = clients.open(location, { autospawn: false })
    await second.put('b', '2')
    expect(daemon.isRunning).toBe(true)
    unlock(location)
    await second.close()
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(existsSync(join(location, 'partyd.sock'))).toBe(false)
  })

  it('ends with 23 after a write that LevelDB failed to do', async () => {
    const location = createLocation()
    const daemon = await commands.serve(location, [], {
      ...asNobody,
      wrapper: ['prlimit', '--fsize=2000000']
    })
    const db = clients.open(location, { retry: false, autospawn: false })
    await db.put('a', '1')
    lock(location)
    const fill = async (): Promise<never> => {
      for (let index = 0; ; index++) await db.put(`key ${index}`, 'v'.repeat(100_000))
    }
    await expect(fill()).rejects.toMatchObject({ code: 'LEVEL_CONNECTION_LOST' })
    expect(await daemon.ended).toEqual({ code: 23, signal: null })
    expect(daemon.stderr).toContain('failed to write')
    unlock(location)
  })
})

describe('a daemon that cannot write partyd.json', () => {
  it('takes its endpoint back before it closes the database', async () => {
    const oracle = new Oracle(locations.create())
    const { location } = oracle
    mkdirSync(`${locationFiles(location).rendezvous}.tmp`, { recursive: true })
    const daemon = commands.start(['serve', location], { env: oracle.env() })
    expect((await daemon.ended).code).not.toBe(0)
    await until(() => oracle.count('exit') === 1, 'the end of the daemon')
    const events = oracle.events.map(({ ev }) => ev)
    expect(events).toEqual(['boot', 'open', 'endpoint', 'parking', 'parked', 'close', 'exit'])
    expect(existsSync(join(location, 'partyd.sock'))).toBe(false)
  })
})
