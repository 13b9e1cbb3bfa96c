// The daemon's log: moved aside by the daemon that holds the lock and by nobody else, opened again
// when somebody else has moved it, and no line lost. Fault tests 36 and 40.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { KIND, LIMITS } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { publishedPid, until } from '../harness/locations.js'
import { encodeFrame, RawClient } from '../harness/raw-client.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

interface LogRecord {
  readonly level: number
  readonly msg: string
  readonly pid: number
}

function readLog(path: string): LogRecord[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  // Whole lines only, the last one too.
  expect(lines.pop()).toBe('')
  return lines.map((line) => JSON.parse(line) as LogRecord)
}

/** All records of a location, in whichever file they are. */
function readLogs(location: string): LogRecord[] {
  const names = readdirSync(location).filter((name) => name.startsWith('partyd.log'))
  return names.flatMap((name) => readLog(join(location, name)))
}

/** A connection whose end the daemon logs, with the number in it. */
async function causeWarning(location: string, number: number): Promise<void> {
  const client = await RawClient.open(join(location, 'partyd.sock'))
  client.send(
    encodeFrame(KIND.put, 1, (writer) => {
      writer.uint53(number)
      writer.uint53(0)
      writer.uint8(0)
      writer.bytes(Buffer.from('k'))
      writer.tail(Buffer.from('v'))
    })
  )
  await client.closed
}

function findWarnings(records: readonly LogRecord[]): number[] {
  const numbers = records.map(({ msg }) => /Write (\d+) .*follows write 0/.exec(msg)?.[1])
  return numbers.filter((number) => number !== undefined).map(Number)
}

describe('a log that somebody moves away, with SIGHUP,', () => {
  // 36
  it('a hundred times under load loses no line', { timeout: 60_000 }, async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', 'never'])
    const log = join(location, 'partyd.log')
    await until(() => existsSync(log) && statSync(log).size > 0, 'the log')
    const db = clients.open(location)
    let status: 'rotating' | 'done' = 'rotating'
    const expected: number[] = []
    const warn = async (first: number): Promise<void> => {
      for (let number = first; status === 'rotating'; number += 4) {
        expected.push(number)
        await causeWarning(location, number)
        await db.put(`key ${number}`, 'v')
      }
    }
    // The first number that makes no sense is 2.
    const load = [2, 3, 4, 5].map(warn)
    for (let round = 0; round < 100; round++) {
      renameSync(log, `${log}.moved.${round}`)
      process.kill(daemon.pid, 'SIGHUP')
      await until(() => existsSync(log) && statSync(log).size > 0, `the log of round ${round}`)
    }
    status = 'done'
    await Promise.all(load)
    expect(publishedPid(location)).toBe(daemon.pid)
    await PartyLevel.stop(location)
    const records = readLogs(location)
    const byNumber = (a: number, b: number): number => a - b
    expect(findWarnings(records).sort(byNumber)).toEqual(expected.sort(byNumber))
    expect(expected.length).toBeGreaterThan(100)
    expect(records.filter(({ msg }) => msg.startsWith('received SIGHUP'))).toHaveLength(100)
    expect(readLog(log).map(({ msg }) => msg)).toContain('stopped')
  })
})

describe('a log of 5 MiB', () => {
  const full = `${JSON.stringify({ level: 30, msg: 'x'.repeat(1_000) })}\n`
  const count = Math.ceil(LIMITS.logBytesMax / full.length)

  // 40
  it('is moved aside by the daemon that serves, and by none that finds it serving', async () => {
    const location = locations.create()
    const log = join(location, 'partyd.log')
    const serving = await commands.serve(location, ['--auto', '--idle-timeout', 'never'])
    await until(() => existsSync(log) && statSync(log).size > 0, 'the log')
    // As much as others may have written, behind its back.
    writeFileSync(log, full.repeat(count), { flag: 'a' })
    const { ino, size } = statSync(log)
    for (let round = 0; round < 3; round++) {
      const loser = commands.start(['serve', location, '--auto', '--ready-fd', '3'])
      expect((await loser.ended).code).toBe(20)
      expect(loser.reports.map(({ event }) => event)).toEqual(['deferred'])
    }
    expect(statSync(log)).toMatchObject({ ino, size })
    expect(existsSync(`${log}.1`)).toBe(false)
    await PartyLevel.stop(location)
    expect((await serving.ended).code).toBe(0)

    await commands.serve(location, ['--auto'])
    await until(() => existsSync(`${log}.1`), 'the rotation')
    expect(statSync(`${log}.1`).ino).toBe(ino)
    await PartyLevel.stop(location)
    expect(readLog(`${log}.1`).filter(({ level }) => level === 30).length).toBeGreaterThan(count)
    expect(readLog(log).map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^starting partyd \d/),
      'opened the database',
      `serving ${location}`,
      'stopping: stop',
      'all clients have left',
      'gave back the endpoint and the session records; closing the database',
      'stopped'
    ])
  })

  it('is moved aside while its daemon serves, in place of the one before', async () => {
    const location = locations.create()
    const log = join(location, 'partyd.log')
    writeFileSync(`${log}.1`, full)
    writeFileSync(log, full.repeat(count - 1))
    await commands.serve(location, ['--auto', '--idle-timeout', 'never'])
    const numbers = Array.from({ length: 60 }, (_, index) => index + 2)
    for (const number of numbers) await causeWarning(location, number)
    await until(() => statSync(`${log}.1`).size > full.length, 'the rotation')
    await PartyLevel.stop(location)
    expect(findWarnings([...readLog(`${log}.1`), ...readLog(log)])).toEqual(numbers)
    expect(statSync(`${log}.1`).size).toBeLessThanOrEqual(LIMITS.logBytesMax)
  })
})

describe('a log that cannot be written', () => {
  // 40
  it('is said to be so, and its daemon serves', async () => {
    const location = locations.create()
    mkdirSync(join(location, 'partyd.log'))
    const daemon = await commands.serve(location, ['--auto', '--idle-timeout', 'never'])
    await until(() => daemon.stderr.includes('cannot log to'), 'the warning')
    const db = clients.open(location)
    await db.put('a', '1')
    expect(await db.get('a')).toBe('1')
    const status = commands.start(['status', location, '--json'])
    await status.ended
    expect(JSON.parse(status.stdout)).toMatchObject({
      logFailure: expect.stringContaining('EISDIR')
    })
    await PartyLevel.stop(location)
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(daemon.stderr.trim().split('\n')).toHaveLength(1)
  })
})

it('a daemon in the foreground goes on when its standard output cannot be written', async () => {
  const location = locations.create()
  const wrapper = ['sh', '-c', 'exec "$@" > /dev/full', 'sh']
  const daemon = await commands.serve(location, [], { wrapper })
  const db = clients.open(location)
  for (let number = 1; number <= 50; number++) await causeWarning(location, number + 1)
  await db.put('a', '1')
  await PartyLevel.stop(location)
  expect(await daemon.ended).toEqual({ code: 0, signal: null })
  expect(existsSync(join(location, 'partyd.exit.json'))).toBe(false)
})

// SIGUSR2 tells what `partyd status` does.
it('a daemon writes its status into the log on SIGUSR2', async () => {
  const location = locations.create()
  const daemon = await commands.serve(location, ['--auto', '--idle-timeout', 'never'])
  const db = clients.open(location)
  await db.put('a', '1')
  process.kill(daemon.pid, 'SIGUSR2')
  const log = join(location, 'partyd.log')
  await until(
    () => existsSync(log) && readFileSync(log, 'utf8').includes('"clients":1'),
    'the dump'
  )
  const dump = readLog(log).find(({ msg }) => msg === 'status')
  expect(dump).toMatchObject({ status: 'serving', location, pid: daemon.pid, clients: 1 })
  expect(await db.get('a')).toBe('1')
})
