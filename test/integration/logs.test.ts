// `partyd logs`: what daemons have written into a location, also while they write it.

import {
  appendFileSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Command, canRun } from '../harness/command.js'
import { DAEMON_ENTRY, type DaemonCommand, DaemonCommands } from '../harness/daemon-command.js'
import { Locations, publishedPid, until } from '../harness/locations.js'

const locations = new Locations()
const clients = new Clients()
const commands = new DaemonCommands()
const terminals: Command[] = []
afterEach(async () => {
  for (const terminal of terminals.splice(0)) await terminal.end()
  await clients.end()
  await commands.reap()
  await locations.reap()
})

const hasTerminal = await canRun('script', '--version')

async function logs(location: string, ...args: string[]): Promise<string[]> {
  const command = commands.start(['logs', location, ...args])
  expect((await command.ended).code).toBe(0)
  return linesOf(command)
}

function linesOf({ stdout }: { readonly stdout: string }): string[] {
  return stdout.split('\n').slice(0, -1)
}

function follow(location: string, ...args: string[]): DaemonCommand {
  return commands.start(['logs', location, '-f', ...args])
}

/** The numbers of the test's own lines that it has shown, in order. */
function numbers(command: DaemonCommand): number[] {
  return [...command.stdout.matchAll(/own line (\d+)/g)].map(([, number]) => Number(number))
}

function record(number: number, padding = 0): string {
  const level = number % 2 === 0 ? 30 : 50
  return `${JSON.stringify({ level, time: 0, msg: `own line ${number}`, x: 'x'.repeat(padding) })}\n`
}

async function start(location: string): Promise<number> {
  expect((await commands.ask(['start', location])).code).toBe(0)
  await until(
    () => readFileSync(join(location, 'partyd.log'), 'utf8').includes('the first client'),
    'the log'
  )
  return publishedPid(location) as number
}

describe('partyd logs', () => {
  it('prints the last lines as they are, and of two files', async () => {
    const location = locations.create()
    const log = join(location, 'partyd.log')
    const all = Array.from({ length: 3_000 }, (_, index) => record(index, index % 500))
    writeFileSync(`${log}.1`, all.slice(0, 2_000).join(''))
    writeFileSync(log, all.slice(2_000).join(''))
    const expected = all.map((line) => line.trimEnd())
    expect(await logs(location)).toEqual(expected.slice(-10))
    expect(await logs(location, '-n', '3')).toEqual(expected.slice(-3))
    expect(await logs(location, '-n', '0')).toEqual([])
    expect(await logs(location, '--lines', '2500')).toEqual(expected.slice(-2_500))
    expect(await logs(location, '-n', '9999')).toEqual(expected)
  })

  it('shows what crashed processes have left, whatever the level; with --json as an object', async () => {
    const location = locations.create()
    const raw = 'Error: boom\n    at somewhere, with an umlaut: ö\n'
    writeFileSync(
      join(location, 'partyd.log'),
      `${record(0)}${record(1)}${raw}${record(2)}half a line${record(3)}half a line`
    )
    const [info = '', error = '', third = '', last = ''] = [0, 1, 2, 3].map((number) =>
      record(number).trimEnd()
    )
    const rest = ['Error: boom', '    at somewhere, with an umlaut: ö']
    const half = 'half a line'
    expect(await logs(location)).toEqual([info, error, ...rest, third, half, last, half])
    expect(await logs(location, '--level', 'error')).toEqual([error, ...rest, half, last, half])
    const json = await logs(location, '--json', '-n', '6')
    expect(json.map((line) => JSON.parse(line))).toEqual([
      { raw: rest[0] },
      { raw: rest[1] },
      JSON.parse(third),
      { raw: half },
      JSON.parse(last),
      { raw: half }
    ])
  })

  it('says where a daemon in the foreground logs to', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const { code, answer } = await commands.ask(['logs', location])
    expect({ code, answer }).toMatchObject({
      code: 1,
      answer: { error: { code: 'PARTYD_NO_LOG' } }
    })
    expect(JSON.stringify(answer)).toContain(`pid ${daemon.pid}) runs in the foreground`)
    // That of another daemon is shown all the same.
    writeFileSync(join(location, 'partyd.log'), record(7))
    const command = commands.start(['logs', location])
    expect((await command.ended).code).toBe(0)
    expect(linesOf(command)).toEqual([record(7).trimEnd()])
    expect(command.stderr).toContain('runs in the foreground')
  })

  it('says that there is none', async () => {
    const location = locations.create()
    expect((await commands.ask(['logs', location])).code).toBe(1)
    const missing = join(location, 'missing')
    expect(await commands.ask(['logs', missing])).toMatchObject({
      code: 2,
      answer: {
        error: { code: 'PARTYD_NO_DIRECTORY', message: `There is no directory ${missing}.` }
      }
    })
    writeFileSync(missing, '')
    expect(await commands.ask(['logs', missing])).toMatchObject({
      code: 2,
      answer: { error: { message: `${missing} is not a directory` } }
    })
  })

  it.skipIf(!hasTerminal)('is written for people on a terminal', async () => {
    const location = locations.create()
    writeFileSync(join(location, 'partyd.log'), `${record(1)}boom\n`)
    const line = `${process.execPath} ${DAEMON_ENTRY} logs ${location}`
    const run = async (env: NodeJS.ProcessEnv): Promise<string> => {
      // Node takes no terminal for one with colours where a build server's variable says CI.
      const { CI, ...inherited } = process.env
      const terminal = new Command('script', ['-qec', line, '/dev/null'], {
        env: { ...inherited, TERM: 'xterm-256color', ...env }
      })
      terminals.push(terminal)
      return (await terminal.succeeded()).stdout
    }
    const coloured = await run({})
    expect(coloured).toContain('ERROR')
    expect(coloured).toContain('own line 1')
    expect(coloured).toContain('boom')
    expect(coloured).not.toContain('"msg"')
    expect(coloured).toContain('\u001b[')
    expect(await run({ NO_COLOR: '1' })).not.toContain('\u001b[')
  })
})

describe('partyd logs -f', () => {
  it('shows what is added, to the end and by the next daemon', async () => {
    const location = locations.create()
    const first = await start(location)
    const command = follow(location, '-n', '1')
    await command.logged('"msg":')
    await commands.ask(['restart', location])
    const second = publishedPid(location)
    await command.logged(`"pid":${second}`)
    expect(command.stdout).toContain(`"pid":${first}`)
    const messages = command.logRecords.map(({ msg }) => msg)
    expect(messages).toContain('stopped')
    expect(messages.filter((msg) => msg === 'stopping: stop')).toHaveLength(1)
  })

  it('loses and repeats nothing when the log is moved, by a daemon or by hand', async () => {
    const location = locations.create()
    const log = join(location, 'partyd.log')
    const pid = await start(location)
    const command = follow(location, '-n', '0')
    let count = 0
    const write = (lines: number, padding = 0): void => {
      for (let index = 0; index < lines; index++) appendFileSync(log, record(count++, padding))
    }
    await until(() => command.isRunning && isFollowing(command, log), 'the follower')
    write(50)
    await until(() => numbers(command).length === 50, 'the first lines')
    // By the daemon, at 5 MiB: it looks at its own count, and so begins with what others wrote.
    write(60, LIMITS.logBytesMax / 50)
    process.kill(pid, 'SIGHUP')
    await until(() => statSync(`${log}.1`, { throwIfNoEntry: false }) !== undefined, 'the rotation')
    write(50)
    await command.logged(`own line ${count - 1}"`)
    // By hand.
    renameSync(log, `${log}.old`)
    await sleep(500)
    process.kill(pid, 'SIGHUP')
    await until(() => statSync(log, { throwIfNoEntry: false }) !== undefined, 'the new log')
    write(50)
    await command.logged(`own line ${count - 1}"`)
    expect(numbers(command)).toEqual(Array.from({ length: count }, (_, index) => index))
  })

  it('finds the file in between when the log is moved twice at once', async () => {
    const location = locations.create()
    const log = join(location, 'partyd.log')
    writeFileSync(log, record(0))
    const command = follow(location)
    await command.logged('own line 0')
    // What is there is old by then, as it is when somebody has moved a log by hand.
    await sleep(500)
    appendFileSync(log, record(1))
    for (const number of [2, 3]) {
      renameSync(log, `${log}.1`)
      writeFileSync(log, record(number))
    }
    await command.logged('own line 3')
    expect(numbers(command)).toEqual([0, 1, 2, 3])
  })

  it('waits for a log that is not there any more', async () => {
    const location = locations.create()
    const log = join(location, 'partyd.log')
    writeFileSync(log, record(0))
    const command = follow(location)
    await command.logged('own line 0')
    renameSync(log, `${log}.old`)
    await sleep(500)
    expect(command.isRunning).toBe(true)
    writeFileSync(log, record(1))
    await command.logged('own line 1')
    // Cut off and begun anew, with fewer bytes.
    await sleep(500)
    writeFileSync(log, '')
    await sleep(500)
    writeFileSync(log, record(2))
    await command.logged('own line 2')
    expect(numbers(command)).toEqual([0, 1, 2])
    command.child.kill('SIGINT')
    expect((await command.ended).code).toBe(130)
  })
})

/** Whether it has the log open. */
function isFollowing({ pid }: DaemonCommand, log: string): boolean {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).some((fd) => readLink(join(directory, fd)) === log)
}

function readLink(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // Closed while we looked.
  }
}
