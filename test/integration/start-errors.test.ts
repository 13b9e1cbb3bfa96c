import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { EXIT_CODES, TIMES } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { DaemonCommands } from '../harness/daemon-command.js'
import { ForeignProcess, writeWithClassicLevel } from '../harness/foreign-process.js'
import { findDaemons, Locations, publishedPid, until } from '../harness/locations.js'
import { Program, run } from '../harness/program.js'
import { expectWithin } from '../harness/slowness.js'

/** A user that owns nothing. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
const asNobody = isRoot ? { uid: NOBODY } : {}

const locations = new Locations()
const commands = new DaemonCommands()
const foreigners: ForeignProcess[] = []
const databases: PartyLevel[] = []

function create(location: string, options: object = {}): PartyLevel {
  const db = new PartyLevel(location, { idleTimeoutMs: 5_000, ...options })
  databases.push(db)
  return db
}

afterEach(async () => {
  await Promise.allSettled(databases.splice(0).map((db) => db.close()))
  await commands.reap()
  for (const foreigner of foreigners.splice(0)) await foreigner.kill()
  await locations.reap()
})

interface Failure {
  readonly operation: string
  readonly ms: number
  readonly code?: string
  readonly message?: string
  readonly cause?: { code?: string; path?: string; pid?: number; message: string }
}

/** Tries every kind of operation on a database that was not opened, and open() itself. */
const TRY_ALL = `
const db = new PartyLevel(location, JSON.parse(process.argv[2] ?? '{}'))
const startedAt = Date.now()
async function attempt(operation, run) {
  try {
    await run()
    return { operation, ms: Date.now() - startedAt }
  } catch (error) {
    const { code, message, cause } = error
    const { code: causeCode, path, pid } = cause ?? {}
    return {
      operation, ms: Date.now() - startedAt, code, message,
      cause: cause && { code: causeCode, path, pid, message: cause.message }
    }
  }
}
const results = [
  attempt('put', () => db.put('a', '1')),
  attempt('get', () => db.get('a')),
  attempt('getMany', () => db.getMany(['a', 'b'])),
  attempt('has', () => db.has('a')),
  attempt('del', () => db.del('a')),
  attempt('clear', () => db.clear()),
  attempt('iterator next', () => db.iterator().next()),
  attempt('iterator all', () => db.iterator({ reverse: true }).all()),
  attempt('keys', () => db.keys().next()),
  attempt('values', () => db.values().nextv(10)),
  attempt('batch', () => db.batch([{ type: 'put', key: 'a', value: '1' }])),
  attempt('sublevel put', () => db.sublevel('s').put('a', '1')),
  attempt('nested sublevel get', () => db.sublevel('s').sublevel('t').get('a')),
  attempt('open', () => db.open())
]
console.log(JSON.stringify(await Promise.all(results)))
`

async function tryAll(location: string, options: object = {}, as: object = {}): Promise<Failure[]> {
  const finished = await run(TRY_ALL, { args: [location, JSON.stringify(options)], ...as })
  if (finished.code !== 0) throw new Error(finished.stderr)
  return JSON.parse(finished.stdout) as Failure[]
}

function expectAll(failures: readonly Failure[], cause: object, seconds = 6): void {
  for (const failure of failures) {
    expect(failure).toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN', cause })
    expect(failure.cause?.pid).toBeTypeOf('number')
    expect(failure.ms).toBeLessThan(seconds * 1_000)
    if (failure.operation !== 'open') expect(failure.message).toContain(failure.cause?.message)
  }
  expect(failures).toHaveLength(14)
}

/** Damages the manifest, without which LevelDB does not know its tables. */
async function createCorrupt(): Promise<string> {
  const location = locations.create()
  await writeWithClassicLevel(location, [['a', '1']])
  const manifest = readFileSync(join(location, 'CURRENT'), 'utf8').trim()
  writeFileSync(join(location, manifest), 'this is not a manifest')
  return location
}

// 52, and most of 23.
describe('every operation learns why the database could not be opened', () => {
  it('because it is corrupt', async () => {
    const location = await createCorrupt()
    expectAll(await tryAll(location), { code: 'LEVEL_CORRUPTION', path: location })
    expect(findDaemons(location)).toEqual([])
  })

  it('because a table cannot be read that LevelDB opens only when somebody reads', async () => {
    const location = locations.create()
    // Each opening makes a table of the log before; as they overlap, they stay where all are looked at.
    for (const value of ['1', '2', '3']) await writeWithClassicLevel(location, [['a', value]])
    const tables = readdirSync(location).filter((name) => name.endsWith('.ldb'))
    for (const table of tables) truncateSync(join(location, table), 100)
    expectAll(await tryAll(location), { code: 'LEVEL_IO_ERROR', path: location })
    const { ended } = commands.start(['serve', location])
    expect((await ended).code).toBe(23)
  })

  it.each([true, false])(
    'because its directory is closed to this user (createIfMissing: %s)',
    async (createIfMissing) => {
      const location = locations.create()
      await writeWithClassicLevel(location, [['a', '1']])
      chmodSync(location, isRoot ? 0o700 : 0o000)
      const failures = await tryAll(location, { createIfMissing }, asNobody)
      chmodSync(location, 0o700)
      expectAll(failures, { code: 'PARTYD_PERMISSION' })
      for (const { cause } of failures) expect(cause?.path).toContain(location)
    }
  )

  it('because it has lost its file CURRENT, also where none may be made', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    rmSync(join(location, 'CURRENT'))
    for (const createIfMissing of [true, false]) {
      const failures = await tryAll(location, { createIfMissing })
      expectAll(failures, { code: 'LEVEL_CORRUPTION', path: location })
    }
  })

  it('because its directory is read-only', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    chmodSync(location, 0o555)
    const failures = await tryAll(location, {}, asNobody)
    expectAll(failures, { code: 'LEVEL_IO_ERROR', path: location })
    chmodSync(location, 0o700)
  })

  // 29
  it('because its socket belongs to another user', async () => {
    const location = locations.create()
    const { pid } = await commands.serve(location)
    chmodSync(location, 0o755)
    const failures = await tryAll(location, {}, asNobody)
    // As root's own the socket cannot be closed to us, so this needs root to run the daemon.
    if (isRoot) {
      const path = join(location, 'partyd.sock')
      expectAll(failures, { code: 'PARTYD_PERMISSION', path, pid })
    }
  })

  it('because another program holds the lock', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    foreigners.push(holder)
    const failures = await tryAll(location)
    expectAll(failures, { code: 'LEVEL_LOCKED', path: location, pid: holder.pid })
    for (const { cause } of failures) expect(cause?.message).toContain(`pid ${holder.pid}`)
    await holder.release()
    const db = create(location)
    await db.put('now', 'it works')
  })

  it('and operations that come after it failed to open learn why, too', async () => {
    const file = join(locations.create(), 'file')
    writeFileSync(file, 'mine')
    const db = create(file)
    const sublevel = db.sublevel('s')
    await expect(db.open()).rejects.toThrow()
    await expect(sublevel.open()).rejects.toThrow()
    const late = [
      db.info(),
      ...[db, sublevel].flatMap((database) => [
        database.update('a', () => '1'),
        database.atomic().put('a', '1').commit(),
        database.watch().ready
      ])
    ]
    for (const operation of await Promise.allSettled(late)) {
      expect(operation).toMatchObject({
        reason: {
          code: 'LEVEL_DATABASE_NOT_OPEN',
          message: expect.stringContaining(file),
          cause: { code: 'LEVEL_IO_ERROR', path: file }
        }
      })
    }
  })

  it('because a file is in the way', async () => {
    const file = join(locations.create(), 'file')
    writeFileSync(file, 'mine')
    expectAll(await tryAll(file), { code: 'LEVEL_IO_ERROR', path: file }, 2)
    const below = join(file, 'below')
    expectAll(await tryAll(below), { code: 'LEVEL_IO_ERROR', path: below }, 2)
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })

  it('because the directory cannot be made', async () => {
    const failures = await tryAll('/proc/nope', {}, { timeoutMs: 5_000 })
    expectAll(failures, { path: '/proc/nope' }, 2)
    for (const { cause } of failures) {
      expect(cause?.code).toMatch(/^(LEVEL_IO_ERROR|PARTYD_PERMISSION|LEVEL_INVALID_ARGUMENT)$/)
      expect(cause?.message).not.toContain('create_if_missing is false')
    }
  })

  it('because there is no database and none may be created', async () => {
    const parent = locations.create()
    for (const location of [join(parent, 'missing'), parent]) {
      const failures = await tryAll(location, { createIfMissing: false })
      expectAll(failures, { code: 'LEVEL_INVALID_ARGUMENT', path: location }, 2)
      expect(failures[0]?.cause?.message).toContain('create_if_missing is false')
    }
    expect(readdirSync(parent)).toEqual([])
  })

  it('because a directory is where the socket should be', async () => {
    const location = locations.create()
    mkdirSync(join(location, 'partyd.sock'))
    const failures = await tryAll(location)
    expectAll(failures, { path: join(location, 'partyd.sock') })
    expect(findDaemons(location)).toEqual([])
  })

  it('because a directory is where partyd.json should be', async () => {
    const location = locations.create()
    const path = join(location, 'partyd.json')
    mkdirSync(path)
    expectAll(await tryAll(location), { code: 'LEVEL_IO_ERROR', path })
    expect(readdirSync(location)).not.toContain('partyd.json.tmp')
    expect(findDaemons(location)).toEqual([])
    const daemon = commands.start(['serve', location])
    expect(await daemon.ended).toMatchObject({ code: EXIT_CODES.disk })
    expect(daemon.stderr).toContain(`LEVEL_IO_ERROR: Cannot write ${path}`)
  })

  it('because somebody else has an entry in the range partyd keeps', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [[Buffer.alloc(17, 0xff), 'mine']])
    expectAll(await tryAll(location), { code: 'PARTYD_INCOMPATIBLE', path: location })
  })

  it('also ten clients at a time on a locked database', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    foreigners.push(holder)
    const startedAt = Date.now()
    const clients = Array.from({ length: 10 }, () => create(location))
    const results = await Promise.allSettled(clients.map((db) => db.put('a', '1')))
    const ms = Date.now() - startedAt
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: {
          code: 'LEVEL_DATABASE_NOT_OPEN',
          cause: { code: 'LEVEL_LOCKED', path: location, pid: holder.pid }
        }
      })
    }
    expectWithin(ms, 10_000)
  })
})

describe('createIfMissing: false', () => {
  it('opens a database that exists', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    expect(await create(location, { createIfMissing: false }).get('a')).toBe('1')
  })
})

describe('errorIfExists', () => {
  it('lets exactly one of ten clients of a process open a cold location', async () => {
    const location = locations.create()
    const clients = Array.from({ length: 10 }, () => create(location, { errorIfExists: true }))
    const results = await Promise.allSettled(clients.map((db) => db.open()))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results) {
      if (result.status === 'fulfilled') continue
      expect(result.reason).toMatchObject({
        code: 'LEVEL_DATABASE_NOT_OPEN',
        cause: { code: 'LEVEL_INVALID_ARGUMENT', path: location }
      })
      expect(result.reason.cause.message).toContain('error_if_exists is true')
    }
  })

  it('lets exactly one of ten processes open a cold location', async () => {
    const location = locations.create()
    const source = `
      const db = new PartyLevel(location, { errorIfExists: true })
      try {
        await db.open()
        console.log('opened')
        await new Promise((resolve) => setTimeout(resolve, 1500))
        await db.close()
      } catch (error) {
        console.log(error.code, error.cause.code)
      }`
    const finished = await Promise.all(
      Array.from({ length: 10 }, () => run(source, { args: [location] }))
    )
    expect(finished.map(({ stdout }) => stdout.trim()).sort()).toEqual([
      ...Array.from({ length: 9 }, () => 'LEVEL_DATABASE_NOT_OPEN LEVEL_INVALID_ARGUMENT'),
      'opened'
    ])
  })

  it('fails on a database that exists, whether served or not', async () => {
    const location = locations.create()
    await writeWithClassicLevel(location, [['a', '1']])
    const first = create(location, { errorIfExists: true })
    await expect(first.open()).rejects.toMatchObject({ cause: { code: 'LEVEL_INVALID_ARGUMENT' } })
    await create(location).open()
    const second = create(location, { errorIfExists: true })
    await expect(second.open()).rejects.toMatchObject({ cause: { code: 'LEVEL_INVALID_ARGUMENT' } })
  })

  it('is a matter of opening: the client that created it survives its daemon', async () => {
    const location = locations.create()
    const db = create(location, { errorIfExists: true })
    await db.put('a', '1')
    process.kill(publishedPid(location) as number, 'SIGKILL')
    expect(await db.get('a')).toBe('1')
    await PartyLevel.stop(location)
    expect(await db.get('a')).toBe('1')
  })
})

describe('autospawn: false', () => {
  it('fails when the time is up, and starts nothing', async () => {
    const location = locations.create()
    const startedAt = Date.now()
    const db = create(location, { autospawn: false, connectTimeoutMs: 700 })
    await expect(db.open()).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'PARTYD_NOT_RUNNING', path: location }
    })
    const ms = Date.now() - startedAt
    expect(ms).toBeGreaterThan(690)
    expectWithin(ms, 1_500)
    expect(readdirSync(location)).toEqual([])
  })

  it('waits for a daemon that is started meanwhile', async () => {
    const location = locations.create()
    const db = create(location, { autospawn: false })
    const put = db.put('a', '1')
    await commands.serve(location)
    await put
  })
})

/** Runs Node by way of a shell that counts how often. */
function counted(location: string, nodeArgs: readonly string[]): object {
  const script = 'echo spawned >> "$0"; exec "$@"'
  return {
    execPath: '/bin/sh',
    args: ['-c', script, join(location, 'count'), process.execPath, ...nodeArgs]
  }
}

function count(location: string): number {
  return readFileSync(join(location, 'count'), 'utf8').trim().split('\n').length
}

// 23, 24
describe('a daemon that does not start', () => {
  it.each([
    [
      'ends at once',
      ['--import', 'data:text/javascript,console.error("boom-3");process.exit(3)'],
      'boom-3'
    ],
    [
      'throws at once',
      ['--import', 'data:text/javascript,throw new Error("boom-throw")'],
      'boom-throw'
    ],
    ['is not JavaScript', ['--import', 'data:text/javascript,this is not'], 'SyntaxError'],
    ['has a missing preload', ['--require', '/nowhere/preload.cjs'], 'preload.cjs'],
    ['aborts', ['--import', 'data:text/javascript,process.abort()'], 'SIGABRT']
  ])('because it %s is tried three times, and its text told', async (_, args, text) => {
    const location = locations.create()
    const db = create(location, { spawn: counted(location, args) })
    const startedAt = Date.now()
    const error = await db.put('a', '1').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'PARTYD_CRASHED', path: join(location, 'partyd.log'), pid: expect.any(Number) }
    })
    expect((error as Error).message).toContain(text)
    expect(count(location)).toBe(3)
    expectWithin(Date.now() - startedAt, 8_000)
  })

  it('because its program does not exist', async () => {
    const location = locations.create()
    const db = create(location, { spawn: { execPath: '/nowhere/node' } })
    await expect(db.put('a', '1')).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'PARTYD_CRASHED', cause: { code: 'ENOENT' } }
    })
  })

  it('because its program may not be run', async () => {
    const location = locations.create()
    const execPath = join(location, 'not-executable')
    appendFileSync(execPath, 'text')
    const db = create(location, { spawn: { execPath } })
    await expect(db.put('a', '1')).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'PARTYD_CRASHED', cause: { code: 'EACCES' } }
    })
  })

  it('is killed from outside and started again', async () => {
    const location = locations.create()
    const marker = join(location, 'killed')
    const script = 'if [ ! -e "$0" ]; then touch "$0"; kill -KILL $$; fi; exec "$@"'
    const db = create(location, {
      spawn: { execPath: '/bin/sh', args: ['-c', script, marker, process.execPath] }
    })
    await db.put('a', '1')
    expect(existsSync(marker)).toBe(true)
  })

  it('is not tried again for a while, and works once the cause is gone', async () => {
    const location = locations.create()
    const preload = join(location, 'preload.mjs')
    writeFileSync(preload, 'process.exit(3)')
    const spawn = counted(location, ['--import', preload])
    await expect(create(location, { spawn }).open()).rejects.toMatchObject({
      cause: { code: 'PARTYD_CRASHED' }
    })
    const startedAt = Date.now()
    const second = create(location, { spawn })
    await expect(second.put('a', '1')).rejects.toMatchObject({
      cause: {
        code: 'PARTYD_CRASHED',
        message: expect.stringMatching(/^3 daemons have ended .* no other is started for \d+ s\. /)
      }
    })
    expectWithin(Date.now() - startedAt, 1_000)
    expect(count(location)).toBe(3)
    writeFileSync(preload, '')
    await sleep(startedAt + TIMES.crashPause - Date.now())
    await second.open()
    await second.put('a', '1')
    expect(count(location)).toBe(4)
  })

  it('keeps nobody away who would start another program', async () => {
    const location = locations.create()
    const entry = join(location, 'no-daemon.mjs')
    writeFileSync(entry, 'process.exit(3)')
    await expect(create(location, { spawn: { entry } }).open()).rejects.toMatchObject({
      cause: { code: 'PARTYD_CRASHED' }
    })
    await create(location).put('a', '1')
  })

  it('and says nothing is given up at the deadline', async () => {
    const location = locations.create()
    const hang = 'data:text/javascript,setInterval(()=>{},1000);await new Promise(()=>{})'
    const db = create(location, { spawn: { args: ['--import', hang] }, connectTimeoutMs: 1_500 })
    const startedAt = Date.now()
    await expect(db.put('a', '1')).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: expect.stringMatching(/^PARTYD_/) }
    })
    expectWithin(Date.now() - startedAt, 3_000)
  })
})

describe('a daemon that does not answer', () => {
  it('makes a new open() fail at its deadline, and serves again when it goes on', async () => {
    const location = locations.create()
    const connected = create(location)
    await connected.put('a', '1')
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    const startedAt = Date.now()
    const late = create(location, { connectTimeoutMs: 1_500 })
    await expect(late.put('b', '2')).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'PARTYD_UNRESPONSIVE', pid, path: location, endpoint: expect.any(String) }
    })
    const ms = Date.now() - startedAt
    expect(ms).toBeGreaterThan(1_450)
    expectWithin(ms, 2_500)
    expect(findDaemons(location)).toEqual([pid])
    const pending = connected.put('c', '3')
    process.kill(pid, 'SIGCONT')
    await pending
    await late.open()
    expect(await late.getMany(['a', 'b', 'c'])).toEqual(['1', undefined, '3'])
    expect(publishedPid(location)).toBe(pid)
  })
})

describe('an AbortSignal', () => {
  it('that is aborted already ends open() before anything is started', async () => {
    const location = locations.create()
    const db = create(location, { signal: AbortSignal.abort(new Error('not wanted')) })
    await expect(db.open()).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'LEVEL_ABORTED', name: 'AbortError', cause: { message: 'not wanted' } }
    })
    expect(readdirSync(location)).toEqual([])
  })

  it('ends an open() that waits for a daemon', async () => {
    const location = locations.create()
    const controller = new AbortController()
    const db = create(location, { autospawn: false, signal: controller.signal })
    await expectPromptAbort(db, controller)
  })

  it('ends an open() that waits for an answer', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    process.kill(daemon.pid, 'SIGSTOP')
    const controller = new AbortController()
    await expectPromptAbort(create(location, { signal: controller.signal }), controller)
  })

  it('ends an open() that waits for a daemon it has started', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    foreigners.push(holder)
    const controller = new AbortController()
    await expectPromptAbort(create(location, { signal: controller.signal }), controller)
  })

  it('given to open() itself works the same', async () => {
    const location = locations.create()
    const controller = new AbortController()
    const db = create(location, { autospawn: false })
    const opening = db.open({ signal: controller.signal })
    setTimeout(() => controller.abort(), 200)
    await expect(opening).rejects.toMatchObject({ cause: { code: 'LEVEL_ABORTED' } })
  })

  it('has no say any more once the database is open', async () => {
    const location = locations.create()
    const controller = new AbortController()
    const db = create(location, { signal: controller.signal })
    await db.put('a', '1')
    controller.abort()
    await PartyLevel.stop(location)
    expect(await db.get('a')).toBe('1')
  })

  async function expectPromptAbort(db: PartyLevel, controller: AbortController): Promise<void> {
    const opening = expect(db.open()).rejects.toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'LEVEL_ABORTED' }
    })
    let abortedAt = 0
    setTimeout(() => {
      abortedAt = Date.now()
      controller.abort()
    }, 500)
    await opening
    expectWithin(Date.now() - abortedAt, 300)
  }
})

it('a process whose open() failed ends by itself', async () => {
  const location = await createCorrupt()
  const program = new Program(
    `const db = new PartyLevel(location)
     await db.put('a', '1').catch((error) => console.log(error.cause.code))
     console.log('done', Date.now())`,
    { args: [location] }
  )
  await program.printed('done')
  const doneAt = Date.now()
  const finished = await program.finished
  expect(finished).toMatchObject({ code: 0, signal: null })
  expect(finished.stdout).toContain('LEVEL_CORRUPTION')
  expectWithin(Date.now() - doneAt, 1_000)
  await until(() => findDaemons(location).length === 0, 'the daemon to end')
})
