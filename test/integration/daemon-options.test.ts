// What a daemon was opened with: `sync` for those who do not say, and what a client hears that
// would have opened it otherwise.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { connectGuest } from '@partyd/client/many-level'
import { afterEach, describe, expect, it } from 'vitest'
import { Command } from '../harness/command.js'
import { DAEMON_ENTRY, DaemonCommands } from '../harness/daemon-command.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { Program } from '../harness/program.js'

const HOOK = new URL('../harness/sync-hook.js', import.meta.url).href

const locations = new Locations()
const commands = new DaemonCommands()
const databases: { close(): Promise<void> }[] = []

afterEach(async () => {
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await commands.reap()
  await locations.reap()
})

interface Watched {
  readonly db: PartyLevel
  readonly warnings: (Error & { code: string })[]
}

async function open(location: string, options: object = {}): Promise<Watched> {
  const db = new PartyLevel(location, { idleTimeoutMs: 5_000, ...options })
  const warnings: Watched['warnings'] = []
  db.on('warning', (warning: Watched['warnings'][number]) => warnings.push(warning))
  databases.push(db)
  await db.open()
  return { db, warnings }
}

/** A daemon whose batches are noted, and what they were by their first key. */
async function serve(args: string[]): Promise<[string, () => Record<string, string>]> {
  const location = locations.create()
  const notes = join(locations.create(), 'notes')
  const env = { NODE_OPTIONS: `--import ${HOOK}`, PARTYD_TEST_SYNC: notes }
  await commands.serve(location, args, { env })
  const read = (): Record<string, string> =>
    Object.fromEntries(
      readFileSync(notes, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ') as [string, string])
    )
  return [location, read]
}

async function write(db: PartyLevel): Promise<void> {
  await db.put('put', '')
  await db.put('put-sync', '', { sync: true })
  await db.put('put-no-sync', '', { sync: false })
  await db.batch([{ type: 'put', key: 'batch', value: '' }])
  await db.batch().put('chained', '').write()
  await db.sublevel('sub').put('level', '')
  await db.del('del')
  await db.clear({ gte: 'batch', limit: 1 })
}

describe('partyd --sync', () => {
  it('has every write on the disk that does not say otherwise', async () => {
    const [location, notes] = await serve(['--sync'])
    const { db } = await open(location)
    await write(db)
    const guest = connectGuest(location)
    await guest.put('guest', '')
    await guest.close()
    expect(notes()).toEqual({
      put: 'true',
      'put-sync': 'true',
      'put-no-sync': 'false',
      batch: 'true',
      chained: 'true',
      '!sub!level': 'true',
      del: 'true',
      guest: 'true'
    })
  })

  it('is off when it is not given', async () => {
    const [location, notes] = await serve([])
    const { db } = await open(location)
    await write(db)
    const { put, 'put-sync': sync, batch, del } = notes()
    expect({ put, sync, batch, del }).toEqual({
      put: 'false',
      sync: 'true',
      batch: 'false',
      del: 'false'
    })
  })

  it('is shown by status, among the options that the database was opened with', async () => {
    const [location] = await serve(['--sync', '--cache-size', '1000000'])
    const command = new Command(process.execPath, [DAEMON_ENTRY, 'status', location, '--json'])
    const { stdout } = await command.succeeded()
    expect(JSON.parse(stdout)).toMatchObject({
      options: { sync: true, cacheSize: 1_000_000, compression: true, blockSize: 4096 }
    })
  })

  it('is what a client with that option starts, and asks of any other daemon', async () => {
    const location = locations.create()
    const { db, warnings } = await open(location, { sync: true })
    expect((await db.info()).options).toMatchObject({ sync: true })
    expect(warnings).toEqual([])

    const [other, notes] = await serve([])
    const client = await open(other, { sync: true })
    await client.db.put('put', '')
    await client.db.put('no', '', { sync: false })
    expect(notes()).toEqual({ put: 'true', no: 'false' })
    expect(client.warnings).toMatchObject([
      { code: 'PARTYD_OPTIONS_DIFFER', message: expect.stringContaining('sync is false, not true') }
    ])
  })
})

describe('a client that finds a daemon with other options', () => {
  it('is connected once, whatever its listener throws', async () => {
    const location = locations.create()
    await commands.serve(location, ['--block-size', '8192'])
    const source = `
      process.on('uncaughtException', ({ message }) => console.log(message))
      const db = new PartyLevel(location, { blockSize: 4096 })
      db.on('warning', () => { throw new Error('of the listener') })
      await db.put('a', '1')
      console.log((await db.info()).counters.clients)`
    const program = new Program(source, { args: [location] })
    expect(await program.finished).toMatchObject({ code: 0, stdout: 'of the listener\n1\n' })
  })

  it('hears of it once, with their names, and is served', async () => {
    const location = locations.create()
    await open(location, { cacheSize: 1_000_000, compression: false })
    const { db, warnings } = await open(location, {
      cacheSize: 2_000_000,
      compression: false,
      maxOpenFiles: 1000,
      blockSize: 8192,
      createIfMissing: false
    })
    const pid = publishedPid(location)
    expect(warnings).toMatchObject([{ code: 'PARTYD_OPTIONS_DIFFER', pid }])
    expect(warnings[0]?.message).toContain('cacheSize is 1000000, not 2000000')
    expect(warnings[0]?.message).toContain('blockSize is 4096, not 8192')
    expect(warnings[0]?.message).not.toMatch(/compression|maxOpenFiles|createIfMissing/)
    await db.put('a', '1')

    // The next daemon is as wrong as this one, and once is enough.
    process.kill(pid as number, 'SIGKILL')
    await until(() => !isAlive(pid as number), 'the end of the daemon')
    await commands.serve(location)
    expect(await db.get('a')).toBe('1')
    expect(warnings).toHaveLength(1)
  })

  it('hears nothing when it has given no options', async () => {
    const location = locations.create()
    await open(location, { cacheSize: 1_000_000 })
    const { warnings } = await open(location)
    expect(warnings).toEqual([])
  })

  it('hears of it when the other daemon comes later', async () => {
    const location = locations.create()
    const { db, warnings } = await open(location, { writeBufferSize: 1_000_000 })
    await PartyLevel.stop(location)
    expect(warnings).toEqual([])
    await commands.serve(location)
    await db.put('a', '1')
    expect(warnings).toMatchObject([{ code: 'PARTYD_OPTIONS_DIFFER' }])
  })
})
