// `partyd export` and `partyd import`: every kind of entry there and back, one moment while others
// write, and what is left when either is interrupted or its input is broken.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Command } from '../harness/command.js'
import { DAEMON_ENTRY, DaemonCommands } from '../harness/daemon-command.js'
import { fill, manyEntries, readBinary, strangeEntries } from '../harness/entries.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { findPartials, PipedCommands } from '../harness/piped-command.js'

vi.setConfig({ testTimeout: 120_000 })

const HEADER = '{"schema":1,"format":"partyd-export"}'
/** Enough that neither pipes nor sockets hold it. */
const MANY = 40_000

const locations = new Locations()
const clients = new Clients()
const commands = new PipedCommands()
const daemons = new DaemonCommands()

afterEach(async () => {
  await commands.reap()
  await clients.end()
  await daemons.reap()
  await locations.reap()
})

async function stop(location: string): Promise<void> {
  expect((await commands.run(['stop', location])).code).toBe(0)
}

async function killDaemon(location: string): Promise<void> {
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

async function createMany(count = MANY, bytes = 500): Promise<string> {
  const location = locations.create()
  await fill(location, manyEntries(count, bytes))
  return location
}

/** An export with these lines between the first and the last. */
function createExport(lines: readonly string[], count = lines.length): string {
  return [HEADER, ...lines, `{"end":true,"entries":${count}}`, ''].join('\n')
}

function put(key: string, value: string): string {
  return JSON.stringify({ key, value })
}

describe('every entry comes back', () => {
  it('whatever bytes its key and value are', async () => {
    const location = locations.create()
    const copy = locations.create()
    const file = join(locations.create(), 'all.ndjson')
    const entries = strangeEntries()
    await fill(location, entries)
    const exported = await commands.run(['export', location, file])
    expect(exported).toMatchObject({ code: 0, stderr: '' })
    expect(exported.stdout).toMatch(`exported ${entries.length} entries`)

    const imported = await commands.run(['import', copy, file])
    expect(imported).toMatchObject({ code: 0, stderr: '' })
    const again = await commands.run(['export', copy])
    expect(again.stdout === readFileSync(file, 'utf8')).toBe(true)
    await stop(copy)
    const found = await readBinary(copy)
    expect(found.length).toBe(entries.length)
    for (const [index, [key, value]] of found.entries()) {
      expect(key.equals(entries[index]?.[0] as Buffer)).toBe(true)
      expect(value.equals(entries[index]?.[1] as Buffer), key.toString('hex')).toBe(true)
    }
  })

  it('through pipes that are called -', async () => {
    const [location, copy] = [locations.create(), locations.create()]
    await fill(location, strangeEntries())
    const { stdout } = await commands.run(['export', location, '-'])
    expect(stdout).toBe((await commands.run(['export', location])).stdout)
    expect((await commands.run(['import', copy, '-'], { input: stdout })).code).toBe(0)
    expect((await commands.run(['export', copy])).stdout).toBe(stdout)
  })

  it('as text where it is text, and as base64 where not', async () => {
    const location = locations.create()
    await fill(location, [
      [Buffer.from('a'), Buffer.from('é')],
      [Buffer.from('b'), Buffer.from([0xff, 0])],
      [Buffer.from([0xff]), Buffer.alloc(0)]
    ])
    const { stdout } = await commands.run(['export', location])
    expect(stdout.split('\n')).toEqual([
      HEADER,
      '{"key":"a","value":"é"}',
      '{"key":"b","value":"/wA=","valueEncoding":"base64"}',
      '{"key":"/w==","keyEncoding":"base64","value":""}',
      '{"end":true,"entries":3}',
      ''
    ])
  })

  it('also with an empty key, of the database and of a sublevel', async () => {
    const location = locations.create()
    const copy = locations.create()
    await fill(location, [
      [Buffer.alloc(0), Buffer.from('1')],
      [Buffer.from('!s!'), Buffer.from('2')]
    ])
    for (const options of [[], ['--sublevel', 's']]) {
      const { stdout } = await commands.run(['export', location, ...options])
      expect(stdout).toContain('{"key":"",')
      const imported = await commands.run(['import', copy, ...options], { input: stdout })
      expect(imported).toMatchObject({ code: 0, stderr: '' })
      expect((await commands.run(['export', copy, ...options])).stdout).toBe(stdout)
    }
  })

  it('or none, of an empty database', async () => {
    const location = locations.create()
    const copy = locations.create()
    await fill(location, [])
    const { code, stdout } = await commands.run(['export', location])
    expect({ code, stdout }).toEqual({ code: 0, stdout: createExport([]) })
    expect((await commands.run(['import', copy], { input: stdout })).code).toBe(0)
    await stop(copy)
    expect(await readBinary(copy)).toEqual([])
  })

  it.runIf(process.env['PARTYD_TEST_SLOW'])(
    'also if it is as large as can be',
    { timeout: 300_000 },
    async () => {
      const location = locations.create()
      const copy = locations.create()
      const file = join(locations.create(), 'large.ndjson')
      const bytes = 256 * 1024 * 1024 - 1024
      await fill(location, [
        [Buffer.from('text'), Buffer.alloc(bytes, '\n')],
        [Buffer.from('zero'), Buffer.alloc(bytes, 0x80)]
      ])
      const limits = { timeoutMs: 240_000 }
      expect(await commands.run(['export', location, file], limits)).toMatchObject({ code: 0 })
      expect(await commands.run(['import', copy, file], limits)).toMatchObject({ code: 0 })
      await stop(copy)
      const [text, zero] = await readBinary(copy)
      expect(text?.[1].equals(Buffer.alloc(bytes, '\n'))).toBe(true)
      expect(zero?.[1].equals(Buffer.alloc(bytes, 0x80))).toBe(true)
    }
  )
})

describe('partyd export', () => {
  it('has the entries of one moment, while others write', async () => {
    const location = await createMany()
    const writer = clients.start(
      `const db = new PartyLevel(location)
       const [first, last] = ['', '~']
       for (let n = 1; ; n++) {
         const batch = [first + '!', 'key 00020000!', last].map((key) => ({ type: 'put', key, value: String(n) }))
         await db.batch(batch)
         await db.put('key 00030000!' + n, '')
         if (n === 1) console.log('ready')
       }`,
      { args: [location], timeoutMs: 100_000 }
    )
    await writer.printed('ready')
    const seen = new Set<string>()
    for (let turn = 0; turn < 3; turn++) {
      const { code, stdout } = await commands.run(['export', location])
      expect(code).toBe(0)
      const lines = stdout.split('\n')
      const numbers = lines.flatMap((line) => {
        const [, n] = /^\{"key":"(?:!|~|key 00020000!)","value":"(\d+)"\}$/.exec(line) ?? []
        return n === undefined ? [] : [n]
      })
      expect(numbers.length).toBe(3)
      expect(new Set(numbers).size).toBe(1)
      // Of the entries that were written one by one there are those of the rounds before.
      const others = lines.filter((line) => line.includes('"key 00030000!')).length
      expect(Number(numbers[0]) - others).toBeOneOf([0, 1])
      expect(lines.at(-2)).toBe(`{"end":true,"entries":${MANY + 3 + others}}`)
      seen.add(numbers[0] as string)
    }
    expect(seen.size).toBeGreaterThan(1)
  })

  it('has the range that was asked for', async () => {
    const location = locations.create()
    const db = clients.open(location)
    await db
      .sublevel('users')
      .batch(['a', 'b', 'c'].map((key) => ({ type: 'put', key, value: key })))
    await db.put('b', 'outside')
    const keysOf = async (...args: string[]): Promise<string[]> => {
      const { stdout } = await commands.run(['export', location, ...args])
      return stdout.split('\n').flatMap((line) => /"key":"([^"]*)"/.exec(line)?.[1] ?? [])
    }
    expect(await keysOf()).toEqual(['!users!a', '!users!b', '!users!c', 'b'])
    expect(await keysOf('--prefix', '!')).toEqual(['!users!a', '!users!b', '!users!c'])
    expect(await keysOf('--sublevel', 'users', '--gt', 'a')).toEqual(['b', 'c'])
    expect(await keysOf('--limit', '2', '--gte', '!users!b')).toEqual(['!users!b', '!users!c'])

    const part = await commands.run(['export', location, '--sublevel', 'users', '--lt', 'c'])
    const copy = locations.create()
    await commands.run(['import', copy, '--sublevel', 'people'], { input: part.stdout })
    expect(await clients.open(copy).keys().all()).toEqual(['!people!a', '!people!b'])
  })

  it('goes on as bytes behind text, within the bounds and the limit', async () => {
    const location = locations.create()
    const entries = [...manyEntries(30_000, 20)]
    entries[25_000] = [entries[25_000]?.[0] as Buffer, Buffer.from([0xff])]
    await fill(location, entries)
    const args = ['--gte', 'key 00000010', '--lt', 'key 00029990', '--limit', '29900']
    const { stdout } = await commands.run(['export', location, ...args])
    const lines = stdout.split('\n').slice(1, -2)
    expect(lines.length).toBe(29_900)
    expect(
      lines.every((line, index) => line.startsWith(`{"key":"${entries[index + 10]?.[0]}"`))
    ).toBe(true)
  })

  it('leaves a file that is there alone, unless it is forced, and never a device', async () => {
    const location = locations.create()
    const folder = locations.create()
    const file = join(folder, 'file')
    await fill(location, [[Buffer.from('a'), Buffer.from('1')]])
    writeFileSync(file, 'mine')
    const refused = await commands.run(['export', location, file])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--force')
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect((await commands.run(['export', location, file, '--force'])).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(createExport([put('a', '1')]))
    expect(statSync(file).mode & 0o777).toBe(0o600)
    for (const path of ['/dev/null', folder]) {
      expect((await commands.run(['export', location, path, '--force'])).code).toBe(2)
    }
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
    expect((await commands.run(['export', location, join(folder, 'no', 'file')])).code).toBe(23)
    expect(readdirSync(folder)).toEqual(['file'])
  })

  it('makes no database where there is none', async () => {
    const folder = locations.create()
    const { code, stdout, stderr } = await commands.run(['export', join(folder, 'none')])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^PARTYD_USAGE: there is no database at /)
    expect(stdout).toBe('')
    expect(readdirSync(folder)).toEqual([])
  })

  it('refuses a file that another export has made meanwhile', async () => {
    const location = await createMany()
    const file = join(locations.create(), 'file')
    const slower = commands.start(['export', location, file])
    await slower.stopInTheMiddle(file, 1)
    expect((await commands.run(['export', location, file, '--limit', '1'])).code).toBe(0)
    slower.child.kill('SIGCONT')
    const { code, stderr } = await slower.finished
    expect(code).toBe(2)
    expect(stderr).toContain('--force')
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(4)
    expect(findPartials(file)).toEqual([])
  })

  it.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing behind after %s', async (signal) => {
    const location = await createMany()
    const file = join(locations.create(), 'file')
    const command = commands.start(['export', location, file])
    await command.stopInTheMiddle(file, 1)
    command.child.kill(signal)
    command.child.kill('SIGCONT')
    expect((await command.finished).code).toBe(130)
    expect(existsSync(file)).toBe(false)
    expect(findPartials(file)).toEqual([])
  })

  it('ends by its time-out though nobody reads what it writes', async () => {
    const location = await createMany()
    const command = commands.start(['export', location, '--timeout', '3s'], { isRead: false })
    await until(() => !command.isRunning, 'the end', 30_000)
    command.read()
    expect((await command.finished).code).toBe(4)
  })

  it('waits for whoever reads slowly, in little memory', async () => {
    const location = await createMany(80_000, 1000)
    const command = commands.start(['export', location], { isRead: false })
    const stdout = command.child.stdout as Readable
    await until(() => stdout.readableLength > 0 || !command.isRunning, 'the first bytes')
    // All that it would have read meanwhile, if it did not wait, is several times the bound.
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    expect(command.peakMemory).toBeLessThan(160e6)
    command.read()
    const { code, stdout: text } = await command.finished
    expect(code).toBe(0)
    expect(text.endsWith('{"end":true,"entries":80000}\n')).toBe(true)
  })

  it('ends quietly when nobody reads any more', async () => {
    const location = await createMany()
    const line = `"${process.execPath}" "${DAEMON_ENTRY}" export "${location}" | head -n 2`
    const { code, stdout, stderr } = await new Command('sh', ['-c', line]).finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.startsWith(`${HEADER}\n{"key":"key 00000000"`)).toBe(true)
  })

  it('says that it is not complete when the daemon dies', async () => {
    const location = await createMany()
    const command = commands.start(['export', location], { isRead: false })
    const stdout = command.child.stdout as Readable
    await until(() => stdout.readableLength > 0 || !command.isRunning, 'the first bytes')
    await killDaemon(location)
    command.read()
    const result = await command.finished
    expect(result.code).toBe(1)
    expect(result.stderr).toContain('PARTYD_SNAPSHOT_LOST: ')
    expect(result.stderr).toMatch(/Not complete, and without its last line: [\d,]+ entries/)
    expect(result.stdout).not.toContain('"end":true')
    const checked = await commands.run(['import', location, '--dry-run'], { input: result.stdout })
    expect(checked.code).toBe(1)
  })

  it('starts a file over when the daemon dies', async () => {
    const location = await createMany()
    const file = join(locations.create(), 'file')
    const command = commands.start(['export', location, file])
    await command.stopInTheMiddle(file, 1)
    await killDaemon(location)
    await clients.open(location).put('later', '')
    command.child.kill('SIGCONT')
    const { code, stderr } = await command.finished
    expect(code).toBe(0)
    expect(stderr).toContain('starting over (1 of 3 times)')
    expect(readFileSync(file, 'utf8').endsWith(`{"end":true,"entries":${MANY + 1}}\n`)).toBe(true)
    expect(findPartials(file)).toEqual([])
  })

  it('says that the disk is full, and leaves nothing', async () => {
    const location = await createMany()
    await daemons.serve(location)
    const file = join(locations.create(), 'file')
    const wrapper = ['prlimit', '--fsize=1000000']
    const { code, stderr } = await commands.run(['export', location, file], { wrapper })
    expect({ code, stderr }).toMatchObject({
      code: 23,
      stderr: expect.stringMatching(/^LEVEL_IO_ERROR: Cannot write .*EFBIG/)
    })
    expect(existsSync(file)).toBe(false)
    expect(findPartials(file)).toEqual([])
  })

  it('shows how far it is on a terminal, without colours', async () => {
    const location = await createMany()
    const file = join(locations.create(), 'file')
    const line = `"${process.execPath}" "${DAEMON_ENTRY}" export "${location}" "${file}"`
    const onTerminal = (text: string, env: object = {}): Promise<string> =>
      new Command('script', ['-qec', text, '/dev/null'], { env: { ...process.env, ...env } })
        .succeeded()
        .then(({ stdout }) => stdout)
    const shown = await onTerminal(line, { NO_COLOR: '1' })
    expect(shown).toMatch(/exporting [\d,]+\/s, /)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what colours begin with.
    expect(shown).not.toMatch(/\x1b\[[\d;]*m/)
    expect(await onTerminal(`${line} --force --json`)).toMatch(
      /^\{"schema":1,"entries":40000,.*\}\s*$/
    )
  })
})

describe('partyd import', () => {
  it('refuses a wrong line, and writes nothing of its batch', async () => {
    const location = locations.create()
    const hidden = Buffer.alloc(20, 0xff).toString('base64')
    const own = `{"key":"${hidden}","keyEncoding":"base64","value":""}`
    for (const [line, reason] of [
      ['{"key":"a"', 'it is no JSON: '],
      [own, 'the key lies in the range that partyd keeps for itself']
    ] as const) {
      const input = createExport([put('x', '1'), line, put('y', '2')])
      const checked = await commands.run(['import', location, '--dry-run', '--json'], { input })
      expect(checked.code).toBe(1)
      expect(JSON.parse(checked.stdout)).toMatchObject({
        dryRun: true,
        entries: 2,
        wrongLines: 1,
        wrong: [{ line: 3, reason: expect.stringContaining(reason) }]
      })
      const { code, stderr } = await commands.run(['import', location], { input })
      expect(code).toBe(1)
      expect(stderr).toContain(`PARTYD_INVALID_INPUT: line 3: ${reason}`)
      expect(stderr).toContain('Nothing was written.')
    }
    expect(await clients.open(location).keys().all()).toEqual([])
  })

  it('notices that the end is missing', async () => {
    const location = locations.create()
    const whole = createExport([put('a', '1'), put('b', '2')])
    const withoutEnd = whole.split('\n').slice(0, 3).join('\n')
    const truncated = await commands.run(['import', location], { input: `${withoutEnd}\n` })
    expect(truncated).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('PARTYD_TRUNCATED: ')
    })
    expect(await clients.open(location).keys().all()).toEqual(['a', 'b'])

    const cut = await commands.run(['import', location], { input: withoutEnd.slice(0, -3) })
    expect(cut).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('line 3: the export was cut off')
    })
    const nothing = await commands.run(['import', location, '--dry-run'], { input: '' })
    expect(nothing.code).toBe(1)
  })

  it('checks all of it in a dry run, and makes nothing', async () => {
    const location = join(locations.create(), 'none')
    const lines = Array.from({ length: 50 }, (_, index) =>
      index % 2 ? 'wrong' : put(`${index}`, '')
    )
    const input = createExport(lines)
    const { code, stdout, stderr } = await commands.run(['import', location, '--dry-run'], {
      input
    })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^checked 25 entries, .*; 25 wrong lines; nothing was written\n$/)
    expect(stderr).toMatch(/^line 3: it is no JSON/)
    expect(stderr).toContain('and 5 more')
    expect(existsSync(location)).toBe(false)
    const fine = await commands.run(['import', location, '--dry-run'], { input: createExport([]) })
    expect(fine.code).toBe(0)
  })

  it('says that there is nothing, or no such line', async () => {
    const location = join(locations.create(), 'none')
    for (const [input, reason] of [
      ['', 'PARTYD_INVALID_INPUT: the input is empty'],
      [put('a', '1'), 'PARTYD_INVALID_INPUT: line 1: '],
      ['\n{"key"', 'PARTYD_INVALID_INPUT: line 2: ']
    ] as const) {
      const { code, stderr } = await commands.run(['import', location], { input })
      expect(code).toBe(1)
      expect(stderr).toContain(reason)
      expect(stderr).toContain('Nothing was written.')
      expect(existsSync(location)).toBe(false)
    }
    const input = createExport([put('a', '1')])
    const there = locations.create()
    const beyond = await commands.run(['import', there, '--from-line', '9'], { input })
    expect(beyond.code).toBe(1)
    expect(beyond.stderr).toContain('PARTYD_INVALID_INPUT: there is no line 9: the input has 3')
  })

  it('tells a program how far it has come when its time is over', async () => {
    const location = locations.create('it is here')
    const command = ['import', location, '--sublevel', 'a', '--sublevel', 'b$c']
    const lines = [...manyEntries(5_000, 10)].map(([key, value]) => put(`${key}`, `${value}`))
    const text = createExport(lines)
    const running = commands.start([...command, '--timeout', '3s', '--json'], { input: 'open' })
    running.child.stdin?.write(text.slice(0, text.lastIndexOf('{')))
    const { code, stdout, stderr } = await running.finished
    expect(code).toBe(4)
    expect(JSON.parse(stdout)).toMatchObject({
      interrupted: true,
      entries: 4_000,
      nextLine: 4_002,
      error: { code: 'PARTYD_TIMEOUT', hint: expect.stringContaining('--from-line 4002') }
    })
    const again = `partyd import '${location}' --sublevel a --sublevel 'b$c' --from-line 4002. `
    expect(stderr).toContain(again)
  })

  it('refuses a file that it cannot read, before anything else', async () => {
    const folder = locations.create()
    for (const path of [folder, join(folder, 'none')]) {
      expect((await commands.run(['import', join(folder, 'db'), path])).code).toBe(2)
    }
    expect(readdirSync(folder)).toEqual([])
  })

  it('reads what is piped to it, also with empty lines and other line ends', async () => {
    const location = locations.create()
    const input = createExport([put('a', '1'), '', put('b', '2')], 2).replaceAll('\n', '\r\n')
    const { code, stdout } = await commands.run(['import', location, '--json'], {
      input: input.replaceAll('\r\n\r\n', '\r\n\n')
    })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, entries: 2 })
    expect(await clients.open(location).iterator().all()).toEqual([
      ['a', '1'],
      ['b', '2']
    ])
  })

  it('says how far it has come when it is interrupted, and goes on from there', async () => {
    const location = await createMany()
    const copy = locations.create()
    const { stdout } = await commands.run(['export', location])
    const lines = stdout.split('\n')
    const command = commands.start(['import', copy], { input: 'open' })
    const half = lines.slice(0, MANY / 2)
    command.child.stdin?.write(`${half.join('\n')}\n`)
    const db = clients.open(copy)
    await until(() => existsSync(join(copy, 'partyd.sock')), 'the daemon')
    while (!(await db.has('key 00005000'))) await new Promise((resolve) => setTimeout(resolve, 20))
    command.child.kill('SIGINT')
    const interrupted = await command.finished
    expect(interrupted.code).toBe(130)
    const [, next] = /--from-line (\d+)\. To begin anew/.exec(interrupted.stderr) ?? []
    expect(Number(next)).toBeGreaterThan(5_000)
    expect(Number(next)).toBeLessThanOrEqual(half.length + 1)
    // The line before is in the database: the first line has no entry.
    const { key } = JSON.parse(lines[Number(next) - 2] as string)
    expect(await db.has(key)).toBe(true)

    const rest = await commands.run(['import', copy, '--from-line', `${next}`, '--json'], {
      input: stdout
    })
    expect(rest.code).toBe(0)
    expect(JSON.parse(rest.stdout).entries).toBe(MANY - (Number(next) - 2))
    expect((await commands.run(['export', copy])).stdout === stdout).toBe(true)
  })

  it('does not mind that the daemon dies', async () => {
    const location = await createMany()
    const copy = locations.create()
    const { stdout } = await commands.run(['export', location])
    const half = stdout.indexOf('\n', stdout.length / 2) + 1
    const command = commands.start(['import', copy], { input: 'open' })
    command.child.stdin?.write(stdout.slice(0, half))
    const db = clients.open(copy)
    await until(() => existsSync(join(copy, 'partyd.sock')), 'the daemon')
    while (!(await db.has('key 00001000'))) await new Promise((resolve) => setTimeout(resolve, 5))
    await killDaemon(copy)
    command.child.stdin?.end(stdout.slice(half))
    expect(await command.finished).toMatchObject({ code: 0, stderr: '' })
    expect((await commands.run(['export', copy])).stdout === stdout).toBe(true)
  })

  it('can be begun anew after it was killed', async () => {
    const location = await createMany()
    const copy = locations.create()
    const file = join(locations.create(), 'file')
    await commands.run(['export', location, file])
    const killed = commands.start(['import', copy, file])
    await until(() => existsSync(join(copy, 'partyd.sock')), 'the daemon')
    const db = clients.open(copy)
    while (!(await db.has('key 00001000'))) await new Promise((resolve) => setTimeout(resolve, 5))
    killed.child.kill('SIGKILL')
    await killed.finished
    expect((await commands.run(['import', copy, file])).code).toBe(0)
    expect((await commands.run(['export', copy])).stdout === readFileSync(file, 'utf8')).toBe(true)
  })

  it('waits for the disk with its last batch', async () => {
    const location = locations.create()
    const notes = join(locations.create(), 'notes')
    const hook = new URL('../harness/sync-hook.js', import.meta.url).href
    const env = { NODE_OPTIONS: `--import ${hook}`, PARTYD_TEST_SYNC: notes }
    await daemons.serve(location, [], { env })
    const lines = Array.from({ length: 2_500 }, (_, index) => put(`${index}`, ''))
    expect((await commands.run(['import', location], { input: createExport(lines) })).code).toBe(0)
    const written = readFileSync(notes, 'utf8').trim().split('\n')
    expect(written.at(-1)).toMatch(/ true$/)
  })
})

const COUNT = process.env['PARTYD_TEST_SLOW'] ? 1_000_000 : 100_000

it(`takes little memory for ${COUNT} entries`, { timeout: 600_000 }, async () => {
  const location = await createMany(COUNT, 100)
  const copy = locations.create()
  const file = join(locations.create(), 'file')
  const figures: Record<string, unknown> = {}
  for (const args of [
    ['export', location, file],
    ['import', copy, file],
    ['import', copy, file, '--dry-run']
  ]) {
    const command = commands.start([...args, '--json'], { timeoutMs: 300_000 })
    let peak = 0
    while (command.isRunning) {
      const found = readPeak(command)
      peak = Math.max(peak, found)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const { code, stdout } = await command.finished
    expect(code).toBe(0)
    const { entries, ms } = JSON.parse(stdout)
    expect(entries).toBe(COUNT)
    figures[`${args[0]} ${args[3] ?? ''}`] =
      `${Math.round((entries / ms) * 1000)} entries/s, ${Math.round(peak / 1e6)} MB`
    expect(peak).toBeLessThan(220e6)
  }
  console.log(figures)
})

function readPeak(command: { readonly peakMemory: number }): number {
  try {
    return command.peakMemory || 0
  } catch {
    return 0 // It has just ended.
  }
}
