import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { connectGuest, type GuestOptions } from '@partyd/client/many-level'
import { LIMITS } from '@partyd/shared'
import { ManyLevelGuest } from 'many-level'
import { afterEach, describe, expect, it } from 'vitest'
import { DaemonCommands } from '../harness/daemon-command.js'
import { ForeignProcess, writeWithClassicLevel } from '../harness/foreign-process.js'
import { findDaemons, isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { MemoryWatch } from '../harness/memory.js'
import { Program } from '../harness/program.js'
import { expectWithin } from '../harness/slowness.js'

type Guest = ManyLevelGuest<string, string>
type Pipeline = typeof pipeline

/** The pipeline that many-level's page shows, from the stream package that many-level itself uses. */
const requireFromGuest = createRequire(createRequire(import.meta.url).resolve('many-level'))
const { pipeline: readablePipeline } = requireFromGuest('readable-stream') as { pipeline: Pipeline }

/** Longer than a party client's hello may take is in test/fault/resources.test.ts. */
const SILENCES_MS = process.env['PARTYD_TEST_SLOW'] === undefined ? [1_000] : [1_000, 60_000]

const locations = new Locations()
const commands = new DaemonCommands()
const guests: Guest[] = []
const databases: PartyLevel[] = []
const sockets: Socket[] = []
const foreigners: ForeignProcess[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.allSettled([...guests.splice(0), ...databases.splice(0)].map((db) => db.close()))
  for (const foreigner of foreigners.splice(0)) await foreigner.kill()
  await commands.reap()
  await locations.reap()
})

/** A stock guest on a socket of its own, as many-level's page has it. */
function connectStock(location: string, through: Pipeline = pipeline): Guest {
  const guest = new ManyLevelGuest<string, string>()
  guests.push(guest)
  const socket = connect(join(location, 'partyd.sock'))
  sockets.push(socket)
  through(socket, guest.createRpcStream() as unknown as Duplex, socket, () => {})
  return guest
}

function connectOurs(location: string, options: GuestOptions = {}): Guest {
  const guest = connectGuest(location, { idleTimeoutMs: 5_000, ...options })
  guests.push(guest)
  return guest
}

function open(location: string, options: object = {}): PartyLevel {
  const db = new PartyLevel(location, { idleTimeoutMs: 5_000, ...options })
  databases.push(db)
  return db
}

async function killDaemon(location: string): Promise<void> {
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

interface Range {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
  readonly limit?: number
}

const KEYS = Array.from({ length: 30 }, (_, index) => `key ${String(index).padStart(2, '0')}`)

const RANGES: readonly Range[] = [
  {},
  { gt: 'key 05' },
  { gte: 'key 05' },
  { lt: 'key 20' },
  { lte: 'key 20' },
  { gt: 'key 05', lt: 'key 20' },
  { gte: 'key 05', lte: 'key 20' },
  { gte: 'key 05x', lt: 'key 10x' },
  { gte: 'key 12', lte: 'key 12' },
  { gt: 'key 12', lt: 'key 13' },
  { gte: 'zzz' },
  { lt: 'a' },
  { limit: 7 },
  { limit: 0 },
  { limit: -1 },
  { limit: 1_000 },
  { gte: 'key 05', limit: 3 }
].flatMap((range) => [range, { ...range, reverse: true }])

/** What a range selects, by the words of abstract-level's documentation. */
function select({ gt, gte, lt, lte, reverse, limit = -1 }: Range): string[] {
  const keys = KEYS.filter(
    (key) =>
      (gt === undefined || key > gt) &&
      (gte === undefined || key >= gte) &&
      (lt === undefined || key < lt) &&
      (lte === undefined || key <= lte)
  )
  const ordered = reverse ? keys.reverse() : keys
  return limit < 0 ? ordered : ordered.slice(0, limit)
}

async function fill(guest: Guest): Promise<void> {
  await guest.batch(KEYS.map((key) => ({ type: 'put', key, value: `value of ${key}` })))
}

const KINDS = [
  ['a stock guest', connectStock],
  ['a stock guest by readable-stream', (at: string) => connectStock(at, readablePipeline)],
  ['connectGuest', connectOurs]
] as const

describe.each(KINDS)('%s', (kind, connectIt) => {
  async function start(): Promise<[Guest, string]> {
    const location = locations.create()
    if (kind !== 'connectGuest') await commands.serve(location, [], { timeoutMs: 120_000 })
    return [connectIt(location), location]
  }

  it('puts, gets and deletes', async () => {
    const [guest] = await start()
    await guest.put('a', '1')
    expect(await guest.get('a')).toBe('1')
    await guest.put('a', '')
    expect(await guest.get('a')).toBe('')
    await guest.del('a')
    await expect(guest.get('a')).rejects.toMatchObject({ code: 'LEVEL_NOT_FOUND' })
    await guest.del('never there')
    const long = 'x'.repeat(300_000)
    await guest.put('long', long)
    expect(await guest.get('long')).toBe(long)
  })

  it('reads many, missing ones among them', async () => {
    const [guest] = await start()
    await guest.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'c', value: '' }
    ])
    expect(await guest.getMany(['a', 'b', 'c', 'a'])).toEqual(['1', undefined, '', '1'])
    expect(await guest.getMany(['x', 'y'])).toEqual([undefined, undefined])
    expect(await guest.getMany([])).toEqual([])
  })

  it('writes batches', async () => {
    const [guest] = await start()
    await guest.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'b', value: '2' },
      { type: 'del', key: 'a' }
    ])
    await guest.batch().put('c', '3').del('b').put('d', '4').write()
    await guest.batch([])
    expect(await guest.iterator().all()).toEqual([
      ['c', '3'],
      ['d', '4']
    ])
  })

  it('iterates by every range, forward and in reverse', async () => {
    const [guest] = await start()
    await fill(guest)
    for (const range of RANGES) {
      const keys = select(range)
      const values = keys.map((key) => `value of ${key}`)
      const entries = keys.map((key) => [key, `value of ${key}`])
      expect([range, await guest.iterator(range).all()]).toEqual([range, entries])
      expect([range, await guest.keys(range).all()]).toEqual([range, keys])
      expect([range, await guest.values(range).all()]).toEqual([range, values])
    }
  })

  it('iterates one by one and over more than one chunk', async () => {
    const [guest] = await start()
    const keys = Array.from({ length: 2_500 }, (_, index) => String(index).padStart(5, '0'))
    const value = 'v'.repeat(100)
    await guest.batch(keys.map((key) => ({ type: 'put', key, value })))
    for (const reverse of [false, true]) {
      const read: string[] = []
      for await (const [key] of guest.iterator({ reverse })) read.push(key)
      expect(read).toEqual(reverse ? keys.toReversed() : keys)
    }
    const iterator = guest.keys()
    expect(await iterator.nextv(3)).toEqual(keys.slice(0, 3))
    expect(await iterator.next()).toBe(keys[3])
    await iterator.close()
  })

  it('seeks', async () => {
    const [guest] = await start()
    await fill(guest)
    const iterator = guest.keys()
    iterator.seek('key 10')
    expect(await iterator.next()).toBe('key 10')
    iterator.seek('key 20x')
    expect(await iterator.next()).toBe('key 21')
    iterator.seek('key 00')
    expect(await iterator.next()).toBe('key 00')
    iterator.seek('zzz')
    expect(await iterator.next()).toBe(undefined)
    await iterator.close()
    const reverse = guest.keys({ reverse: true, lt: 'key 15' })
    reverse.seek('key 10x')
    expect(await reverse.all()).toEqual(select({ lte: 'key 10', reverse: true }))
  })

  it('clears by every range', async () => {
    const [guest] = await start()
    for (const range of RANGES) {
      await fill(guest)
      await guest.clear(range)
      const gone = new Set(select(range))
      const left = KEYS.filter((key) => !gone.has(key))
      expect([range, await guest.keys().all()]).toEqual([range, left])
    }
  })

  it('has sublevels and encodings', async () => {
    const [guest, location] = await start()
    const people = guest.sublevel<string, object>('people', { valueEncoding: 'json' })
    await people.put('ada', { born: 1815 })
    await people.batch([{ type: 'put', key: 'alan', value: { born: 1912 } }])
    await guest.put('outside', 'x')
    expect(await people.get('ada')).toEqual({ born: 1815 })
    expect(await people.keys().all()).toEqual(['ada', 'alan'])
    expect(await people.values({ reverse: true, limit: 1 }).all()).toEqual([{ born: 1912 }])
    await people.clear({ gt: 'ada' })
    expect(await people.iterator().all()).toEqual([['ada', { born: 1815 }]])
    const db = open(location)
    const same = db.sublevel<string, object>('people', { valueEncoding: 'json' })
    expect(await same.get('ada')).toEqual({ born: 1815 })
  })

  it('has keys and values that are bytes', async () => {
    const [guest] = await start()
    const binary = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
    const key = Buffer.from([0, 0xff, 0x80])
    const value = Buffer.from([0, 1, 2, 0xfe])
    await guest.put<Buffer, Buffer>(key, value, binary)
    expect(await guest.get<Buffer, Buffer>(key, binary)).toEqual(value)
    expect(await guest.keys<Buffer>({ keyEncoding: 'buffer' }).all()).toEqual([key])
  })

  it('may not touch the keys that partyd keeps', async () => {
    const [guest] = await start()
    const binary = { keyEncoding: 'buffer' } as const
    const reserved = Buffer.alloc(16, 0xff)
    await guest.put('a', '1')
    // many-level hands on no codes but LevelDB's own.
    const refusal = { code: 'LEVEL_REMOTE_ERROR' }
    await expect(guest.put<Buffer, string>(reserved, 'x', binary)).rejects.toMatchObject(refusal)
    await expect(guest.del<Buffer>(reserved, binary)).rejects.toMatchObject(refusal)
    await guest.clear<Buffer>({ gte: reserved, ...binary })
    expect(await guest.keys().all()).toEqual(['a'])
  })

  it.each(SILENCES_MS)(
    'may be silent for %i ms before its first operation',
    async (silenceMs) => {
      const [guest] = await start()
      await guest.open()
      await sleep(silenceMs)
      await guest.put('a', '1')
      expect(await guest.get('a')).toBe('1')
      await sleep(1_000)
      expect(await guest.get('a')).toBe('1')
    },
    90_000
  )

  it('and clients see each other’s writes', async () => {
    const [guest, location] = await start()
    await guest.put('from the guest', '1')
    const db = open(location)
    expect(await db.get('from the guest')).toBe('1')
    await db.put('from the client', '2')
    expect(await guest.get('from the client')).toBe('2')
    await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        index % 2 === 0 ? guest.put(`${index}`, 'g') : db.put(`${index}`, 'c')
      )
    )
    expect(await guest.keys().all()).toHaveLength(502)
    expect(await db.keys().all()).toHaveLength(502)
    await guest.clear()
    expect(await db.keys().all()).toEqual([])
    if (kind !== 'connectGuest') return
    expect(findDaemons(location)).toHaveLength(1)
  })

  it('sees its own writes, awaited or not', async () => {
    const [guest] = await start()
    await guest.open()
    const gets: Promise<string>[] = []
    const puts: Promise<void>[] = []
    for (let index = 0; index < 1_000; index++) {
      puts.push(guest.put(`${index % 20}`, `${index}`))
      gets.push(guest.get(`${index % 20}`))
    }
    expect(await Promise.all(gets)).toEqual(Array.from({ length: 1_000 }, (_, n) => `${n}`))
    await Promise.all(puts)
  })

  it('answers all of many concurrent operations', async () => {
    const [guest] = await start()
    await guest.open()
    const operations = Array.from({ length: 5_000 }, async (_, index) => {
      await guest.put(`${index}`, `value ${index}`)
      return guest.get(`${index}`)
    })
    const values = await Promise.all(operations)
    expect(values).toEqual(Array.from({ length: 5_000 }, (_, index) => `value ${index}`))
  })
})

describe('connectGuest', () => {
  it('starts a daemon by itself, one for all', async () => {
    const location = locations.create()
    const several = Array.from({ length: 5 }, () => connectOurs(location))
    expect(findDaemons(location)).toEqual([])
    await Promise.all(several.map((guest, index) => guest.put(`${index}`, 'x')))
    expect(findDaemons(location)).toEqual([publishedPid(location)])
    expect(await several[0]?.keys().all()).toHaveLength(5)
  })

  it('has the encodings it is given', async () => {
    const guest = connectGuest<string, object>(locations.create(), { valueEncoding: 'json' })
    guests.push(guest as unknown as Guest)
    await guest.put('a', { n: 1 })
    expect(await guest.get('a')).toEqual({ n: 1 })
  })

  it('survives its daemon between operations and during them', async () => {
    const location = locations.create()
    const guest = connectOurs(location)
    for (let round = 0; round < 4; round++) {
      await guest.put(`${round}`, 'x')
      await killDaemon(location)
    }
    const puts = Array.from({ length: 2_000 }, (_, index) => guest.put(`p${index}`, `${index}`))
    await until(() => findDaemons(location).length === 1, 'a daemon')
    await puts[0]
    await killDaemon(location)
    await Promise.all(puts)
    expect(await guest.keys({ gte: 'p', lt: 'q' }).all()).toHaveLength(2_000)
  })

  it('goes on where it was in the middle of a scan', async () => {
    const location = locations.create()
    const guest = connectOurs(location)
    const keys = Array.from({ length: 3_000 }, (_, index) => String(index).padStart(5, '0'))
    const value = 'v'.repeat(300)
    await guest.batch(keys.map((key) => ({ type: 'put', key, value })))
    const read: string[] = []
    for await (const [key] of guest.iterator()) {
      read.push(key)
      if (read.length === 100 || read.length === 1_500) await killDaemon(location)
    }
    // many-level keeps what it had received and not delivered, and asks for it again: those few
    // entries come twice. None is lost.
    expect([...new Set(read)].sort()).toEqual(keys)
  })

  it('does not undo a stop while it wants nothing', async () => {
    const location = locations.create()
    const guest = connectOurs(location)
    await guest.put('a', '1')
    await PartyLevel.stop(location)
    await sleep(1_000)
    expect(findDaemons(location)).toEqual([])
    expect(await guest.get('a')).toBe('1')
    expect(findDaemons(location)).toHaveLength(1)
  })

  it('loses nothing to a stop in the middle of its work', async () => {
    const location = locations.create()
    const guest = connectOurs(location)
    await guest.open()
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (let index = 0; index < 100; index++) await guest.put(`${lane} ${index}`, 'x')
    })
    for (let round = 0; round < 3; round++) {
      await sleep(50)
      await PartyLevel.stop(location)
    }
    await Promise.all(lanes)
    expect(await guest.keys().all()).toHaveLength(800)
  })

  it('lets an idle daemon end', async () => {
    const location = locations.create()
    const guest = connectOurs(location, { idleTimeoutMs: 0 })
    await guest.put('a', '1')
    const pid = publishedPid(location) as number
    await guest.close()
    await until(() => !isAlive(pid), 'the daemon to end')
  })

  it('does not keep an idle process alive, and a pending operation does', async () => {
    const location = locations.create()
    const program = new Program(
      `import { connectGuest } from '@partyd/client/many-level'
       const guest = connectGuest(location, { idleTimeoutMs: 1000 })
       await guest.put('a', '1')
       console.log(await guest.get('a'))
       const all = await guest.iterator().all()
       console.log('done', all.length)`,
      { args: [location] }
    )
    await program.printed('done 1')
    const doneAt = Date.now()
    expect(await program.finished).toMatchObject({ code: 0, signal: null, stderr: '' })
    expectWithin(Date.now() - doneAt, 2_000)
  })

  it('that never does anything does not keep a process alive', async () => {
    const location = locations.create()
    const program = new Program(
      `import { connectGuest } from '@partyd/client/many-level'
       const guest = connectGuest(location)
       await guest.open()
       console.log('open')`,
      { args: [location] }
    )
    expect(await program.finished).toMatchObject({ code: 0, stdout: 'open\n', stderr: '' })
    expect(findDaemons(location)).toEqual([])
  })

  // Node 24 does not let anybody pipe to a stream that is closed, as the guest's is by then.
  it('that is closed while it looks for a daemon has nothing to tell', async () => {
    const location = locations.create()
    const program = new Program(
      `import { existsSync } from 'node:fs'
       import { connectGuest } from '@partyd/client/many-level'
       const guest = connectGuest(location, { idleTimeoutMs: 0 })
       guest.on('error', (error) => console.log(error))
       guest.put('a', '1').catch((error) => console.log(error.code))
       // Made just before the daemon is spawned.
       while (!existsSync(location + '/partyd.spawn.lock')) await new Promise(setImmediate)
       await guest.close()`,
      { args: [location] }
    )
    const { code, stdout, stderr } = await program.finished
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'LEVEL_DATABASE_NOT_OPEN\n',
      stderr: ''
    })
  })

  async function expectFailure(guest: Guest, code: string): Promise<Error> {
    const emitted = new Promise<Error>((resolve) => guest.on('error', resolve))
    const outcomes = await Promise.allSettled([
      guest.put('a', '1'),
      guest.get('a'),
      guest.iterator().next()
    ])
    for (const outcome of outcomes) expect(outcome.status).toBe('rejected')
    const error = await emitted
    expect(error).toMatchObject({ code })
    expect(guest.status).toBe('closed')
    await expect(guest.get('a')).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
    return error
  }

  it('is closed, and tells why, when the database is corrupt', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    const manifest = readFileSync(join(location, 'CURRENT'), 'utf8').trim()
    writeFileSync(join(location, manifest), 'this is not a manifest')
    await expectFailure(connectOurs(location), 'LEVEL_CORRUPTION')
  })

  it('is closed, and tells why, when another program holds the lock', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    foreigners.push(holder)
    const error = await expectFailure(connectOurs(location), 'LEVEL_LOCKED')
    expect(error).toMatchObject({ pid: holder.pid })
  })

  it('is closed, and tells why, when there is no daemon and it may start none', async () => {
    const location = locations.create()
    const guest = connectOurs(location, { autospawn: false, connectTimeoutMs: 300 })
    await expectFailure(guest, 'PARTYD_NOT_RUNNING')
  })

  it('warns when nobody listens for its errors', async () => {
    const location = locations.create()
    const program = new Program(
      `import { connectGuest } from '@partyd/client/many-level'
       const guest = connectGuest(location, { autospawn: false, connectTimeoutMs: 200 })
       await guest.put('a', '1').catch((error) => console.log(error.code))`,
      { args: [location] }
    )
    const { code, stdout, stderr } = await program.finished
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'LEVEL_DATABASE_NOT_OPEN\n' })
    expect(stderr).toContain('PARTYD_NOT_RUNNING')
  })
})

describe('a guest that breaks the rules', () => {
  it('by leaving in the middle of a long clear does not keep its daemon from ending well', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const db = open(location)
    for (let from = 0; from < 200_000; from += 10_000) {
      const keys = Array.from({ length: 10_000 }, (_, index) => `${from + index}`)
      await db.batch(keys.map((key) => ({ type: 'put', key, value: 'v' })))
    }
    await db.close()
    connectStock(location)
      .clear()
      .catch(() => {})
    await sleep(50)
    for (const socket of sockets.splice(0)) socket.destroy()
    await PartyLevel.stop(location)
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(existsSync(join(location, 'partyd.exit.json'))).toBe(false)
  })

  it('by opening too many iterators is told so, and has room again for each that it closes', async () => {
    const location = locations.create()
    await commands.serve(location)
    const guest = connectStock(location)
    await guest.put('a', '1')
    const iterators = Array.from({ length: LIMITS.iteratorsMax }, () => guest.keys())
    for (const iterator of iterators) expect(await iterator.next()).toBe('a')
    const surplus = guest.keys()
    await expect(surplus.next()).rejects.toMatchObject({
      code: 'LEVEL_REMOTE_ERROR'
    })
    await surplus.close()
    await iterators[0]?.close()
    expect(await guest.keys().next()).toBe('a')
  })

  it('by reading no answers is not read, and costs the daemon little', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const db = open(location)
    await db.put('k', randomBytes(250_000).toString('hex'))
    const memory = new MemoryWatch(daemon.pid)
    const guest = connectStock(location)
    // many-level sends what it is asked at once, and counts no bytes.
    const [socket] = sockets
    await guest.get('k')
    socket?.pause()
    socket?.removeAllListeners('data')
    const gets = Array.from({ length: 2_000 }, () => guest.get('k'))
    for (const get of gets) get.catch(() => {})
    await sleep(2_000)
    memory.stop()
    console.log(`the daemon has grown by ${memory.growth.toFixed(0)} MB`)
    expect(memory.growth).toBeLessThan(250)
    expect(await db.get('k')).toHaveLength(500_000)
  })

  it('with an oversized frame loses its own connection and nobody else’s', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const guest = connectStock(location)
    await guest.put('a', '1')
    const hostile = connect(join(location, 'partyd.sock'))
    sockets.push(hostile)
    const closed = new Promise<void>((resolve) => hostile.once('close', () => resolve()))
    hostile.on('error', () => {})
    // The length of a frame of 2 GiB, and the beginning of that frame.
    hostile.write(
      Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07]), Buffer.alloc(65_536)])
    )
    hostile.resume()
    await closed
    await guest.put('b', '2')
    expect(await guest.keys().all()).toEqual(['a', 'b'])
    expect(daemon.isRunning).toBe(true)
  })

  it('by leaving in the middle of a frame disturbs nobody', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const guest = connectStock(location)
    for (let round = 0; round < 20; round++) {
      const rude = connect(join(location, 'partyd.sock'))
      sockets.push(rude)
      rude.on('error', () => {})
      await new Promise<void>((resolve) => rude.once('connect', () => resolve()))
      rude.write(Buffer.from([200, 1, 0, 1, 2, 3]))
      if (round % 2 === 0) rude.destroy()
      else rude.end()
    }
    await guest.put('a', '1')
    expect(await guest.get('a')).toBe('1')
    expect(daemon.isRunning).toBe(true)
  })
})
