// PartyLevel.destroy and PartyLevel.repair: what they do, what they refuse, and whom they hold off.

import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { EXIT_CODES, findHold, writeHold } from '@partyd/shared'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Command } from '../harness/command.js'
import { DAEMON_ENTRY, DaemonCommands } from '../harness/daemon-command.js'
import { ForeignProcess, writeWithClassicLevel } from '../harness/foreign-process.js'
import { findDaemons, isAlive, Locations, publishedPid, until } from '../harness/locations.js'

vi.setConfig({ testTimeout: 60_000 })

const HOOK = new URL('../harness/slow-repair-hook.js', import.meta.url).href

/** What makes a process see none of those outside, nor what they hold. */
const NAMESPACE = ['--fork', '--pid', '--mount-proc']
const hasNamespaces = spawnSync('unshare', [...NAMESPACE, 'true']).status === 0

const locations = new Locations()
const commands = new DaemonCommands()
const databases: PartyLevel[] = []
const foreign: ForeignProcess[] = []

afterEach(async () => {
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await Promise.all(foreign.splice(0).map((process) => process.kill()))
  await commands.reap()
  await locations.reap()
})

function create(location: string, options: object = {}): PartyLevel {
  const db = new PartyLevel(location, { idleTimeoutMs: 5_000, ...options })
  databases.push(db)
  return db
}

async function holdLock(location: string): Promise<ForeignProcess> {
  const holder = await ForeignProcess.holdLock(location)
  foreign.push(holder)
  return holder
}

/** Names and contents, but for LevelDB's own diary and what only says who was there. */
function describeFiles(location: string): Record<string, string> {
  const names = readdirSync(location).filter((name) => !/^(LOG|LOG\.old|LOCK)$/.test(name))
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(location, name), 'latin1')])
  )
}

/** A child that stops where its work on the files begins. */
class SlowWork {
  readonly #folder = locations.create()
  readonly spawn = {
    args: ['--import', HOOK],
    env: {
      PARTYD_TEST_SLOW_REPAIR: JSON.stringify({
        begun: join(this.#folder, 'begun'),
        leave: join(this.#folder, 'leave')
      })
    }
  }

  /** Its pid. */
  async begun(): Promise<number> {
    const file = join(this.#folder, 'begun')
    await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '', 'the work to begin')
    return Number(readFileSync(file, 'utf8'))
  }

  goOn(): void {
    writeFileSync(join(this.#folder, 'leave'), '')
  }
}

describe('destroy', () => {
  it('removes the database, what partyd left, and the directory', async () => {
    const location = locations.create()
    const db = create(location)
    await db.put('a', '1')
    const pid = publishedPid(location) as number
    await PartyLevel.destroy(location)
    expect(existsSync(location)).toBe(false)
    expect(isAlive(pid)).toBe(false)

    // Whoever is still connected begins anew.
    expect(await db.get('a')).toBe(undefined)
    await db.put('b', '2')
    expect(await db.keys().all()).toEqual(['b'])
  })

  it('removes what a daemon that was killed has left', async () => {
    const location = locations.create()
    await create(location).put('a', '1')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid), 'the end of the daemon')
    mkdirSync(join(location, 'partyd.spawn.lock'))
    for (const name of ['.p0123abcd', 'partyd.log.1', 'partyd.failed.json', 'partyd.exit.json']) {
      writeFileSync(join(location, name), '{}')
    }
    await PartyLevel.destroy(location)
    expect(existsSync(location)).toBe(false)
  })

  it('removes the endpoint of a path that is too long for one', async () => {
    const location = join(locations.create(), 'long'.repeat(40))
    await create(location).put('a', '1')
    const { endpoint } = JSON.parse(readFileSync(join(location, 'partyd.json'), 'utf8'))
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGKILL')
    await until(() => !isAlive(pid), 'the end of the daemon')
    expect(existsSync(endpoint)).toBe(true)
    await PartyLevel.destroy(location)
    expect(existsSync(endpoint)).toBe(false)
    expect(existsSync(location)).toBe(false)
  })

  it('leaves what is not LevelDB’s or partyd’s, and the directory for it', async () => {
    const location = locations.create()
    await create(location).put('a', '1')
    writeFileSync(join(location, 'notes.txt'), 'mine')
    mkdirSync(join(location, 'lost'))
    writeFileSync(join(location, 'lost', 'diary'), 'mine, too')
    writeFileSync(join(location, 'lost', '000001.log'), 'LevelDB’s')
    await PartyLevel.destroy(location)
    expect(readdirSync(location).sort()).toEqual(['lost', 'notes.txt'])
    expect(readdirSync(join(location, 'lost'))).toEqual(['diary'])
  })

  it('does nothing where there is nothing, and nothing to what is no directory', async () => {
    const folder = locations.create()
    await PartyLevel.destroy(join(folder, 'none'))
    expect(readdirSync(folder)).toEqual([])
    const file = join(folder, 'file')
    writeFileSync(file, 'mine')
    await expect(PartyLevel.destroy(file)).rejects.toMatchObject({ code: 'LEVEL_IO_ERROR' })
    expect(readFileSync(file, 'utf8')).toBe('mine')
    const nothing = { code: 0, answer: { done: false } }
    expect(await commands.ask(['destroy', folder])).toMatchObject(nothing)
    expect(await commands.ask(['destroy', join(folder, 'none')])).toMatchObject(nothing)
    expect(readdirSync(folder)).toEqual(['file'])
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    expect(await commands.ask(['destroy', empty])).toMatchObject({
      code: 0,
      answer: { done: true }
    })
    expect(existsSync(empty)).toBe(false)
  })

  it('leaves a daemon alone that does not answer, and says so', async () => {
    const location = locations.create()
    await create(location).put('a', '1')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    await expect(PartyLevel.destroy(location)).rejects.toMatchObject({
      code: 'PARTYD_UNRESPONSIVE',
      pid
    })
    expect(isAlive(pid)).toBe(true)
    expect(existsSync(join(location, 'partyd.hold'))).toBe(false)
    process.kill(pid, 'SIGCONT')
    expect(await databases[0]?.get('a')).toBe('1')
  })

  it('waits for a daemon that does not end no longer than it was told to', async () => {
    const location = locations.create()
    await create(location).put('a', '1')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    const repair = commands.start(['repair', location, '--timeout', '500ms'])
    expect((await repair.ended).code).toBe(EXIT_CODES.alreadyRunning)
    expect(repair.stderr).toContain(`PARTYD_UNRESPONSIVE: Cannot stop the daemon (pid ${pid})`)
    expect(findHold(location)).toBe(undefined)
    process.kill(pid, 'SIGCONT')
    expect(await databases[0]?.get('a')).toBe('1')
  })

  it('follows a link to the location, and takes a relative path', async () => {
    const folder = locations.create()
    const location = join(folder, 'data')
    await writeWithClassicLevel(location, [['a', '1']])
    symlinkSync(location, join(folder, 'link'))
    const before = process.cwd()
    process.chdir(folder)
    try {
      await PartyLevel.destroy('./link')
    } finally {
      process.chdir(before)
    }
    expect(existsSync(location)).toBe(false)
  })
})

describe('repair', () => {
  it('makes a database readable again that has lost its manifest', async () => {
    const location = locations.create()
    const entries = Array.from(
      { length: 500 },
      (_, index) => [`${index}`, `value ${index}`] as const
    )
    await writeWithClassicLevel(location, entries)
    for (const name of readdirSync(location)) {
      if (/^(CURRENT|MANIFEST)/.test(name)) rmSync(join(location, name))
    }
    await PartyLevel.repair(location)
    const db = create(location, { createIfMissing: false })
    expect(await db.iterator().all()).toHaveLength(500)
    expect(await db.get('499')).toBe('value 499')
    expect(existsSync(join(location, 'partyd.hold'))).toBe(false)
  })

  it('stops a daemon, and everybody goes on afterwards', async () => {
    const location = locations.create()
    const db = create(location)
    await db.put('a', '1')
    const pid = publishedPid(location)
    await PartyLevel.repair(location)
    expect(publishedPid(location)).toBe(undefined)
    expect(await db.get('a')).toBe('1')
    expect(publishedPid(location)).not.toBe(pid)
  })

  it('makes no database where there is none', async () => {
    const location = locations.create()
    writeFileSync(join(location, 'notes.txt'), 'of somebody')
    await expect(PartyLevel.repair(location)).rejects.toMatchObject({
      code: 'LEVEL_INVALID_ARGUMENT',
      path: location,
      message: expect.stringContaining('There is no database in')
    })
    expect((await commands.ask(['repair', location])).code).toBe(2)
    expect(readdirSync(location)).toEqual(['notes.txt'])
    expect(await commands.ask(['repair', join(location, 'none')])).toMatchObject({
      code: 2,
      answer: { error: { code: 'PARTYD_NO_DIRECTORY' } }
    })
  })

  it('fails where there is no directory', async () => {
    const location = join(locations.create(), 'none')
    await expect(PartyLevel.repair(location)).rejects.toMatchObject({
      code: 'LEVEL_IO_ERROR',
      path: location
    })
    expect(existsSync(location)).toBe(false)
  })

  it('holds off clients, and a daemon that somebody starts, until it is done', async () => {
    const location = locations.create()
    const db = create(location)
    await db.put('a', '1')
    const work = new SlowWork()
    const repaired = PartyLevel.repair(location, { spawn: work.spawn })
    const pid = await work.begun()
    expect(findHold(location)).toMatchObject({ reason: 'repair', pid })
    const { until: firstUntil } = findHold(location) ?? { until: 0 }

    const got = db.get('a')
    const opened = create(location).put('b', '2')
    const daemon = commands.start(['serve', location, '--ready-fd', '3'])
    expect((await daemon.reported('progress')).message).toContain('partyd repair')
    await until(() => (findHold(location)?.until ?? 0) > firstUntil, 'the hold to be renewed')
    expect(publishedPid(location)).toBe(undefined)
    expect(findDaemons(location).sort()).toEqual([pid, daemon.pid].sort())

    work.goOn()
    await repaired
    await daemon.reported('ready')
    await opened
    expect(await got).toBe('1')
    expect(publishedPid(location)).toBe(daemon.pid)
  })

  it('that is killed holds off nobody for long', async () => {
    const location = locations.create()
    const db = create(location)
    await db.put('a', '1')
    const work = new SlowWork()
    const repaired = PartyLevel.repair(location, { spawn: work.spawn })
    const failed = expect(repaired).rejects.toMatchObject({ code: 'PARTYD_CRASHED' })
    process.kill(await work.begun(), 'SIGKILL')
    await failed
    expect(await db.get('a')).toBe('1')
    expect(existsSync(join(location, 'partyd.hold'))).toBe(false)
  })

  it('refuses to begin while another one, or a destroy, is at it', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    const work = new SlowWork()
    const repaired = PartyLevel.repair(location, { spawn: work.spawn })
    const pid = await work.begun()
    const busy = { code: 'LEVEL_LOCKED', pid, message: expect.stringContaining('partyd repair') }
    await expect(PartyLevel.repair(location)).rejects.toMatchObject(busy)
    await expect(PartyLevel.destroy(location)).rejects.toMatchObject(busy)
    expect(findHold(location)).toMatchObject({ pid })
    work.goOn()
    await repaired
  })
})

describe.each(['destroy', 'repair'] as const)('%s', (name) => {
  it('refuses while another program holds the lock, names it, and leaves all as it was', async () => {
    const location = locations.create()
    const holder = await holdLock(location)
    const before = describeFiles(location)
    await expect(PartyLevel[name](location)).rejects.toMatchObject({
      code: 'LEVEL_LOCKED',
      path: location,
      pid: holder.pid,
      message: expect.stringContaining(`pid ${holder.pid}`)
    })
    expect(describeFiles(location)).toEqual(before)

    const command = new Command(process.execPath, [DAEMON_ENTRY, name, location])
    const { code, stderr } = await command.finished
    expect(code).toBe(21)
    expect(stderr).toContain(`pid ${holder.pid}`)
  })

  // The kernel's table of locks shows none of those that another container's processes hold.
  it.runIf(hasNamespaces)(
    'refuses while a program of another container holds the lock',
    async () => {
      const location = locations.create()
      await holdLock(location)
      const args = [...NAMESPACE, process.execPath, DAEMON_ENTRY, name, location]
      const { code, stderr } = await new Command('unshare', args).finished
      expect(code).toBe(21)
      expect(stderr).toContain('is locked by another process')
    }
  )

  it('wants a location', async () => {
    await expect(PartyLevel[name]('')).rejects.toThrow(TypeError)
    await expect(PartyLevel[name](1 as never)).rejects.toThrow(TypeError)
  })

  it('that cannot be run says so', async () => {
    const spawn = { execPath: '/no/such/program' }
    await expect(PartyLevel[name](locations.create(), { spawn })).rejects.toMatchObject({
      code: 'PARTYD_CRASHED',
      message: expect.stringContaining('/no/such/program')
    })
  })
})

describe('a hold', () => {
  it('in force makes clients wait, and one that is over is removed', async () => {
    const location = locations.create()
    writeHold(location, 'stop', 1_500)
    const db = create(location)
    const startedAt = Date.now()
    await db.open()
    expect(Date.now() - startedAt).toBeGreaterThan(1_400)
    expect(existsSync(join(location, 'partyd.hold'))).toBe(false)
  })

  it('is what the error names when open() gives up', async () => {
    const location = locations.create()
    writeHold(location, 'stop', 60_000)
    await expect(create(location, { connectTimeoutMs: 300 }).open()).rejects.toMatchObject({
      cause: { code: 'PARTYD_NOT_RUNNING', message: expect.stringContaining('to be left alone') }
    })
    expect(findDaemons(location)).toEqual([])
  })

  it('of a stop does not keep a daemon away that is started on purpose', async () => {
    const location = locations.create()
    writeHold(location, 'stop', 60_000)
    const { pid } = await commands.serve(location)
    const db = create(location)
    await db.put('a', '1')
    expect((await db.info()).pid).toBe(pid)
    expect(findHold(location)).toMatchObject({ reason: 'stop' })
  })

  it('of a repair is not taken away by a stop', async () => {
    const location = locations.create()
    await create(location).put('a', '1')
    const work = new SlowWork()
    const repaired = PartyLevel.repair(location, { spawn: work.spawn })
    await work.begun()
    const stop = commands.start(['stop', location, '--hold', '10m'])
    expect((await stop.ended).code).not.toBe(0)
    expect(stop.stderr).toContain('LEVEL_LOCKED: ')
    expect(findHold(location)?.reason).toBe('repair')
    work.goOn()
    await repaired
  })

  it('of a stop goes on after a repair', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    writeHold(location, 'stop', 60_000)
    const before = findHold(location)
    await PartyLevel.repair(location)
    expect(findHold(location)).toEqual(before)
  })

  it.each(['nonsense', '{"schema":1}', `{"schema":1,"until":${Date.now() + 1e10}}`])(
    'that says %s is none',
    async (text) => {
      const location = locations.create()
      writeFileSync(join(location, 'partyd.hold'), text)
      expect(findHold(location)).toBe(undefined)
      expect(readdirSync(location)).toEqual([])
    }
  )
})
