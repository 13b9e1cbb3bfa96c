// `partyd doctor`: what it finds in locations that are as they should be, and in those that are not.

import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { ClassicLevel } from 'classic-level'
import { describe, expect, it } from 'vitest'
import { HIDDEN_PREFIX } from '../../packages/daemon/dist/store/key-space.js'
import { ForeignProcess, writeWithClassicLevel } from '../harness/foreign-process.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { findDaemons, publishedPid } from '../harness/locations.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

interface Found {
  readonly code: string
  readonly message: string
  readonly next: string
}

interface Diagnosis {
  readonly code: number | null
  readonly healthy: unknown
  readonly fixed: unknown
  readonly findings: Found[]
  readonly codes: string[]
}

async function doctor(location: string, ...args: string[]): Promise<Diagnosis> {
  const { code, answer, stderr } = await commands.ask(['doctor', location, ...args])
  expect(stderr).toBe('')
  expect(answer).toMatchObject({ schema: 1, location })
  const findings = answer['findings'] as Found[]
  for (const finding of findings) expect(finding.next).not.toBe('')
  const { healthy, fixed } = answer
  expect(code).toBe(findings.length === 0 ? 0 : 1)
  return { code, healthy, fixed, findings, codes: findings.map((finding) => finding.code) }
}

async function createDatabase(): Promise<string> {
  const location = locations.create()
  await writeWithClassicLevel(location, [['a', '1']])
  return location
}

/** How many keys other tools would see that are none of the user's. */
async function countHiddenKeys(location: string): Promise<number> {
  const db = new ClassicLevel<Buffer, Buffer>(location, { createIfMissing: false })
  await db.open()
  try {
    return (await db.keys({ keyEncoding: 'buffer', gte: HIDDEN_PREFIX }).all()).length
  } finally {
    await db.close()
  }
}

describe('partyd doctor', () => {
  it('finds nothing wrong where a daemon serves, nor where one has ended well', async () => {
    const location = locations.create()
    await commands.ask(['start', location])
    const db = clients.open(location)
    await db.put('a', '1')
    expect(await doctor(location)).toMatchObject({ code: 0, healthy: true, fixed: false })
    await db.close()
    await commands.ask(['stop', location])
    const before = readdirSync(location).sort()
    expect(await doctor(location)).toMatchObject({ code: 0, healthy: true })
    expect(await doctor(location, '--fix')).toMatchObject({ code: 0, fixed: false })
    expect(readdirSync(location).sort()).toEqual(before)
    expect(findDaemons(location)).toEqual([])
  })

  it('tells people what it has seen, and what to do', async () => {
    const location = await createDatabase()
    const healthy = commands.start(['doctor', location])
    expect((await healthy.ended).code).toBe(0)
    expect(healthy.stdout).toContain('nothing is wrong')
    expect(healthy.stdout).toMatch(/path budget +\d+ of 100 bytes/)
    await commands.ask(['stop', location, '--hold', '1h'])
    const held = commands.start(['doctor', location])
    expect((await held.ended).code).toBe(1)
    expect(held.stdout).toContain('held: The location is held')
    expect(held.stdout).toContain(`partyd start ${location}`)
    expect(held.stderr).toContain('never delete LOCK')
  })

  it('names the program that holds the lock', async () => {
    const location = locations.create()
    const foreign = await ForeignProcess.holdLock(location)
    const { codes, findings } = await doctor(location)
    expect(codes).toEqual(['foreign-lock'])
    expect(findings[0]?.message).toContain(`pid ${foreign.pid}, which is not partyd`)
    expect(findings[0]?.message).toContain('classic-level')
    expect(findings[0]?.next).toContain('Never delete LOCK')
    // And does not disturb it.
    expect((await doctor(location, '--fix')).codes).toEqual(['foreign-lock'])
    await foreign.release()
  })

  it('finds what a killed daemon has left, changes nothing, and clears up if asked to', async () => {
    const location = locations.create()
    const db = clients.open(location, { retry: true })
    await db.put('a', '1')
    await killDaemon(location)
    writeFileSync(join(location, 'partyd.hold'), '{"schema":1,"reason":"stop","until":1,"pid":1}')
    const before = readdirSync(location).sort()
    expect((await doctor(location)).codes).toEqual(['uncleared-end', 'expired-hold'])
    expect(readdirSync(location).sort()).toEqual(before)
    expect(findDaemons(location)).toEqual([])
    expect(await countHiddenKeys(location)).toBeGreaterThan(0)

    expect(await doctor(location, '--fix')).toMatchObject({ code: 0, healthy: true, fixed: true })
    expect(findDaemons(location)).toEqual([])
    expect(await countHiddenKeys(location)).toBe(0)
    expect(readdirSync(location).filter((name) => /^partyd\.(json|hold)$/.test(name))).toEqual([])
  })

  it('finds sockets that nobody will publish any more', async () => {
    const location = await createDatabase()
    // Left as by a daemon that was killed between bind and rename.
    const foreign = await ForeignProcess.start(
      `import { createServer } from 'node:net'
       createServer().listen(process.argv[1], () => console.log('ready'))`,
      [join(location, '.p0123abcd')]
    )
    await foreign.kill()
    const { codes, findings } = await doctor(location)
    expect(codes).toEqual(['stale-sockets'])
    expect(findings[0]?.message).toContain('.p0123abcd')
    expect(await doctor(location, '--fix')).toMatchObject({ code: 0, fixed: true })
    expect(existsSync(join(location, '.p0123abcd'))).toBe(false)
  })

  it('leaves a location alone that is held', async () => {
    const location = locations.create()
    await clients.open(location).put('a', '1')
    await killDaemon(location)
    await commands.ask(['stop', location, '--hold', '1h'])
    const { codes, fixed } = await doctor(location, '--fix')
    expect(codes).toEqual(['held', 'uncleared-end'])
    expect(fixed).toBe(false)
  })

  it('tells a daemon that is stopped from one that is busy', async () => {
    const location = locations.create()
    await commands.ask(['start', location])
    const pid = publishedPid(location) as number
    process.kill(pid, 'SIGSTOP')
    const { codes, findings } = await doctor(location, '--timeout', '5s')
    process.kill(pid, 'SIGCONT')
    expect(codes).toEqual(['suspended-daemon'])
    expect(findings[0]?.next).toContain(`kill -CONT ${pid}`)
    expect((await doctor(location)).codes).toEqual([])
  })

  it('finds who else may write or connect', async () => {
    const location = locations.create()
    await commands.ask(['start', location])
    chmodSync(location, 0o777)
    chmodSync(join(location, 'partyd.sock'), 0o666)
    // The daemon may refuse whoever comes before it has seen that.
    const { codes } = await doctor(location)
    expect(codes.slice(0, 2)).toEqual(['writable-directory', 'open-socket'])
  })

  it('finds a socket that was removed, and files in its place', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--fence-interval', '60000'])
    rmSync(join(location, 'partyd.sock'))
    const { codes, findings } = await doctor(location)
    expect(codes).toContain('endpoint-missing')
    expect(findings.find(({ code }) => code === 'endpoint-missing')?.message).toContain(
      `pid ${daemon.pid}`
    )

    const other = await createDatabase()
    mkdirSync(join(other, 'partyd.sock'))
    expect((await doctor(other)).codes).toEqual(['endpoint-in-the-way'])
  })

  it('compares who serves with who is registered', async () => {
    const location = locations.create()
    await commands.ask(['start', location])
    const path = join(location, 'partyd.json')
    const registered = {
      schema: 1,
      instanceId: 'other',
      pid: 1,
      endpoint: join(location, 'partyd.sock')
    }
    writeFileSync(path, JSON.stringify({ ...registered, host: 'elsewhere' }))
    expect((await doctor(location)).codes).toEqual(['other-instance', 'other-host'])
    rmSync(path)
    expect((await doctor(location)).codes).toEqual(['other-instance'])
  })

  it('tells a database that has lost its file CURRENT from none, and nobody makes a new one', async () => {
    const location = await createDatabase()
    rmSync(join(location, 'CURRENT'))
    const files = readdirSync(location).filter((name) => /\.(ldb|log)$/.test(name))
    expect(files).not.toEqual([])
    const { code, findings } = await doctor(location)
    expect(code).toBe(1)
    expect(findings).toMatchObject([
      { code: 'lost-current', next: expect.stringContaining('partyd repair') }
    ])
    const opened = clients.open(location).open()
    await expect(opened).rejects.toMatchObject({ cause: { code: 'LEVEL_CORRUPTION' } })
    expect(readdirSync(location)).toEqual(expect.arrayContaining(files))
    // The start that has failed is a finding as well.
    expect((await doctor(location)).codes).toContain('failed-starts')
    await PartyLevel.repair(location)
    expect(await clients.open(location).keys().all()).not.toEqual([])
  })

  it('tells why the last daemon ended, and why clients start none', async () => {
    const location = await createDatabase()
    const exit = {
      schema: 1,
      reason: 'LevelDB failed to write',
      code: 23,
      at: '2026-01-01',
      pid: 1
    }
    writeFileSync(join(location, 'partyd.exit.json'), JSON.stringify({ ...exit, instanceId: 'a' }))
    const failed = {
      schema: 1,
      crashes: [],
      pauseUntil: Date.now() + 9_000,
      error: { code: 'PARTYD_CRASHED', message: 'boom' }
    }
    writeFileSync(join(location, 'partyd.failed.json'), JSON.stringify(failed))
    const { codes, findings } = await doctor(location)
    expect(codes).toEqual(['failed-starts', 'last-exit'])
    expect(findings[0]?.message).toContain('PARTYD_CRASHED: boom')
    expect(findings[1]?.message).toContain('code 23: LevelDB failed to write')
    expect(await doctor(location, '--fix')).toMatchObject({ code: 0, fixed: true })
  })

  it('lets clients start again, and says so', async () => {
    const location = locations.create()
    const failed = { schema: 1, crashes: [], pauseUntil: 0, error: { code: 'X', message: 'boom' } }
    writeFileSync(join(location, 'partyd.failed.json'), JSON.stringify(failed))
    const command = commands.start(['doctor', location, '--fix'])
    expect((await command.ended).code).toBe(1)
    expect(command.stdout).toContain('fixed: failed-starts')
    expect(command.stdout).toContain('no-database')
    expect(readdirSync(location)).toEqual([])
  })

  it.skipIf(process.getuid?.() !== 0)(
    'finds files that root has left to another user',
    async () => {
      const location = await createDatabase()
      chownSync(location, 12_345, 12_345)
      const { codes, findings } = await doctor(location)
      expect(codes).toEqual(['foreign-files'])
      expect(findings[0]?.message).toContain('CURRENT, LOCK, MANIFEST-')
      expect(findings[0]?.next).toContain(`chown -R 12345 ${location}`)
    }
  )

  it('tells where the endpoint of a long path is, and who may use its directory', async () => {
    const location = join(locations.create(), 'x'.repeat(120))
    const runtime = locations.create()
    const env = { XDG_RUNTIME_DIR: runtime }
    await commands.serve(location, [], { env })
    const command = commands.start(['doctor', location], { env })
    expect((await command.ended).code).toBe(0)
    expect(command.stdout).toContain(`of 100 bytes: the endpoint is ${runtime}/partyd/`)
    chmodSync(join(runtime, 'partyd'), 0o755)
    const { answer } = await commands.ask(['doctor', location], { env })
    expect(answer).toMatchObject({ findings: [{ code: 'open-endpoint-directory' }] })
  })

  it('says that there is no database, and no directory', async () => {
    const location = locations.create()
    expect((await doctor(location)).codes).toEqual(['no-database'])
    expect(readdirSync(location)).toEqual([])
    const { code, answer } = await commands.ask(['doctor', join(location, 'missing')])
    expect({ code, answer }).toMatchObject({
      code: 2,
      answer: { error: { code: 'PARTYD_NO_DIRECTORY' } }
    })
  })

  it('never touches LOCK', async () => {
    const location = await createDatabase()
    const lock = join(location, 'LOCK')
    const { ino, mtimeMs, atimeMs } = statSync(lock)
    await doctor(location)
    expect(statSync(lock)).toMatchObject({ ino, mtimeMs, atimeMs })
  })
})
