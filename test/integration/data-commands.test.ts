// `partyd get`, `put`, `del`, `ls`, `count`, `watch` and `compact` as a shell uses them, on databases
// that other processes have open.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { PartyLevel } from '@partyd/client'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Command, canRun } from '../harness/command.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { findDaemons, Locations } from '../harness/locations.js'
import { MemoryWatch } from '../harness/memory.js'
import { type Partyd, PartydRuns } from '../harness/partyd.js'

const locations = new Locations()
const clients = new Clients()
const partyd = new PartydRuns()
afterEach(async () => {
  await partyd.end()
  await clients.end()
  await locations.reap()
})

/** A location with entries of text, and a client that has it open. */
async function openWith(
  entries: readonly (readonly [string, string])[]
): Promise<{ location: string; db: PartyLevel<string, string> }> {
  const location = locations.create()
  const db = clients.open(location)
  await db.batch(entries.map(([key, value]) => ({ type: 'put', key, value })))
  return { location, db }
}

/** So many entries, in order. */
function manyEntries(count: number, value: string): [string, string][] {
  return Array.from({ length: count }, (_, index) => [
    `key${String(index).padStart(7, '0')}`,
    value
  ])
}

const parse = (text: string): unknown[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

describe('put and get', () => {
  const invalid = Buffer.from([0xff, 0x00, 0xc3, 0x0a, 0xfe])

  it.each<[string, Buffer, string[]]>([
    ['text with line feeds', Buffer.from('ä\n\n'), []],
    ['nothing', Buffer.alloc(0), []],
    ['bytes that are not UTF-8', invalid, []],
    ['the same as raw', invalid, ['--value-encoding', 'raw']],
    ['a megabyte', randomBytes(1 << 20), ['--sync']]
  ])('keep %s byte for byte', async (_, value, options) => {
    const location = locations.create()
    expect(await partyd.run(['put', location, 'a', ...options], value)).toMatchObject({
      code: 0,
      stdout: Buffer.alloc(0),
      stderr: ''
    })
    const encoding = options.filter((option) => option !== '--sync')
    const { code, stdout } = await partyd.run(['get', location, 'a', ...encoding])
    expect({ code, isSame: stdout.equals(value) }).toEqual({ code: 0, isSame: true })
  })

  it('take what stands behind -- as it is', async () => {
    const location = locations.create()
    await partyd.print('put', location, '--', '--json', '--timeout')
    expect(await partyd.print('get', location, '--', '--json')).toBe('--timeout')
    // What a client passes to the daemon that it starts.
    await partyd.print('put', location, 'key', '--', '--auto')
    expect(await partyd.print('get', location, 'key')).toBe('--auto')
  })

  it('mark a number that JavaScript would change', async () => {
    const location = locations.create()
    const number = '12345678901234567890'
    await partyd.print('put', location, 'n', number)
    expect(await partyd.print('get', location, 'n', '--value-encoding', 'json')).toBe(number)
    const json = await partyd.print('get', location, 'n', '--value-encoding', 'json', '--json')
    const { value, valueEncoding } = JSON.parse(json)
    expect(valueEncoding).toBe('base64')
    expect(Buffer.from(value, 'base64').toString()).toBe(number)
  })

  it('do not say that a put which ran out of time has had no effect', async () => {
    const location = locations.create()
    const { code, stderr } = await partyd.run(['put', location, 'a', '1', '--timeout', '1ms'])
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: expect.stringMatching(/^PARTYD_OUTCOME_UNKNOWN: partyd put was not done after 1 ms/)
    })
  })

  it('take and show bytes as hex, base64 and JSON', async () => {
    const location = locations.create()
    const put = (...args: string[]): Promise<string> => partyd.print('put', location, ...args)
    await put('ff00', '/wA=', '--key-encoding', 'hex', '--value-encoding', 'base64')
    await put('"j"', ' { "a": [1, "ä"] } ', '--key-encoding', 'json', '--value-encoding', 'json')
    const get = (...args: string[]): Promise<string> => partyd.print('get', location, ...args)
    expect(await get('/wA=', '--key-encoding', 'base64', '--value-encoding', 'hex')).toBe('ff00')
    expect(await get('"j"', '--value-encoding', 'json')).toBe('{"a":[1,"ä"]}')
    expect(parse(await get('"j"', '--value-encoding', 'json', '--json'))).toEqual([
      { schema: 1, key: '"j"', value: { a: [1, 'ä'] } }
    ])
    expect(parse(await get('ff00', '--key-encoding', 'hex', '--json'))).toEqual([
      { schema: 1, key: 'ff00', value: '/wA=', valueEncoding: 'base64' }
    ])
    const asJson = await partyd.run([
      'get',
      location,
      'ff00',
      '--key-encoding',
      'hex',
      '--value-encoding',
      'json'
    ])
    expect(asJson).toMatchObject({ code: 1, stdout: Buffer.alloc(0) })
    expect(asJson.stderr).toContain('LEVEL_DECODE_ERROR')
  })

  it('agree with what a client sees, in nested sublevels too', async () => {
    const { location, db } = await openWith([])
    const inner = db.sublevel('a').sublevel<string, unknown>('b', { valueEncoding: 'json' })
    const options = ['--sublevel', 'a', '--sublevel', 'b', '--value-encoding', 'json']
    await partyd.print('put', location, 'k', '{"n":1}', ...options)
    expect(await inner.get('k')).toEqual({ n: 1 })
    await inner.put('k', { n: 2 })
    expect(await partyd.print('get', location, 'k', ...options)).toBe('{"n":2}')
    await partyd.print('del', location, 'k', ...options.slice(0, 4))
    expect(await inner.get('k')).toBeUndefined()
    await partyd.print('del', location, 'k', ...options.slice(0, 4))
  })

  it('get ends with 1 for a key that is not there, and prints nothing', async () => {
    const { location } = await openWith([['a', '1']])
    const { code, stdout, stderr } = await partyd.run(['get', location, 'b'])
    expect({ code, stdout: stdout.length }).toEqual({ code: 1, stdout: 0 })
    expect(stderr).toContain("LEVEL_NOT_FOUND: there is no key 'b'")
    const asJson = await partyd.run(['get', location, 'b', '--json'])
    expect(parse(asJson.stdout.toString())).toMatchObject([{ error: { code: 'LEVEL_NOT_FOUND' } }])
  })

  it('take keys and values that begin with a dash, and `-` for standard input', async () => {
    const location = locations.create()
    await partyd.print('put', location, '--', '--key', '-value')
    await partyd.run(['put', location, 'piped', '-'], Buffer.from('in'))
    expect(await partyd.print('ls', location)).toBe('--key\t-value\npiped\tin\n')
  })
})

it('commands that read make no location, and say what to do', async () => {
  const missing = join(locations.create(), 'missing')
  const empty = locations.create()
  const reading = [['get', 'k'], ['del', 'k'], ['ls'], ['count'], ['watch'], ['compact']]
  const runs = reading.flatMap(([name = '', ...rest]) =>
    [missing, empty].map((location) => partyd.run([name, location, ...rest]))
  )
  for (const { code, stderr } of await Promise.all(runs)) {
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('partyd put') })
  }
  expect(existsSync(missing)).toBe(false)
  expect(readdirSync(empty)).toEqual([])
})

it('wrong usage ends with 2 and the next step, before a daemon is started', async () => {
  const location = locations.create()
  const wrong = [
    ['ls', location, '--limit', 'x'],
    ['ls', location, '--limit', '-1'],
    ['ls', location, '--key-encoding', 'utf9'],
    ['ls', location, '--gte', 'abc', '--key-encoding', 'hex'],
    ['get', location],
    ['put', location, 'k', '{', '--value-encoding', 'json'],
    ['put', location, 'k', '%', '--value-encoding', 'base64'],
    ['put', location, 'k', 'v', '--sublevel', 'ä']
  ]
  for (const { code, stdout, stderr } of await Promise.all(wrong.map((args) => partyd.run(args)))) {
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^PARTYD_USAGE: .+\n {2}\S/)
  }
  expect(readdirSync(location)).toEqual([])
})

it('a mistyped command is told what it is like', async () => {
  const { code, stderr } = await partyd.run(['exprot', locations.create()])
  expect(code).toBe(2)
  expect(stderr).toContain("there is no command 'exprot'\n  Did you mean export? ")
})

it('an argument that is not UTF-8 is refused, for Node has changed it', async () => {
  const { location } = await openWith([['\ufffd', 'another']])
  const entry = new URL('../../packages/daemon/bin/partyd.cjs', import.meta.url).pathname
  const shell = `exec "$0" "${entry}" get "${location}" "$(printf '\\377')"`
  // Node cannot pass such an argument on either; behind -c the first one is the shell's $0.
  const command = new Command('sh', ['-c', shell, process.execPath])
  const { code, stdout, stderr } = await command.finished
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('is not UTF-8')
})

describe('ls', () => {
  it('prints one entry a line, whatever is in it', async () => {
    const { location, db } = await openWith([
      ['a\tb', 'line\nfeed'],
      ['back\\slash', '\x1b[2J']
    ])
    const binary = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
    await db.put<Buffer, Buffer>(Buffer.from('ff61', 'hex'), Buffer.from('c3', 'hex'), binary)
    expect(await partyd.print('ls', location)).toBe(
      'a\\tb\tline\\nfeed\nback\\\\slash\t\\x1b[2J\n\\xffa\t\\xc3\n'
    )
    expect(parse(await partyd.print('ls', location, '--json', '--reverse'))).toEqual([
      { key: '/2E=', keyEncoding: 'base64', value: 'ww==', valueEncoding: 'base64' },
      { key: 'back\\slash', value: '\x1b[2J' },
      { key: 'a\tb', value: 'line\nfeed' }
    ])
  })

  const keys = ['a1', 'a2', 'a3', 'b1', 'b2', 'c']

  it('prints what the bounds, the prefix and the limit leave', async () => {
    const { location } = await openWith(keys.map((key) => [key, '']))
    const cases: [string, string[]][] = [
      ['a2 a3', ['--prefix', 'a', '--gt', 'a1', '--lt', 'b2']],
      ['a3 b1', ['--gte', 'a3', '--lte', 'b2', '--limit', '2']],
      ['c b2', ['--gte', 'a', '--reverse', '--limit', '2']],
      ['6131 6132 6133', ['--prefix', '61', '--key-encoding', 'hex']]
    ]
    const lists = cases.map(([, args]) => partyd.print('ls', location, '--keys', ...args))
    expect((await Promise.all(lists)).map((list) => list.trim().replaceAll('\n', ' '))).toEqual(
      cases.map(([expected]) => expected)
    )
  })

  it('prints the columns that are asked for, and of a sublevel its own keys', async () => {
    const { location, db } = await openWith(keys.map((key) => [key, key.toUpperCase()]))
    await db.sublevel('s').batch(keys.map((key) => ({ type: 'put', key, value: key })))
    const cases: [string, string[]][] = [
      ['B1\nB2\n', ['ls', '--prefix', 'b', '--values']],
      ['b1\tB1\nb2\tB2\n', ['ls', '--prefix', 'b', '--values', '--keys']],
      ['a3\na2\na1\n', ['ls', '--sublevel', 's', '--prefix', 'a', '--reverse', '--keys']],
      ['3\n', ['count', '--prefix', 'a']],
      ['5\n', ['count', '--sublevel', 's', '--gt', 'a1']],
      ['{"schema":1,"count":12}\n', ['count', '--json']]
    ]
    const prints = cases.map(([, [name = '', ...args]]) => partyd.print(name, location, ...args))
    expect(await Promise.all(prints)).toEqual(cases.map(([expected]) => expected))
  })

  it('finds keys by a prefix that ends with 0xff', async () => {
    const { location, db } = await openWith([])
    const keys = ['61fe', '61ff', '61ffff', '62', 'ff', 'ffff']
    await db.batch<Buffer, string>(
      keys.map((key) => ({ type: 'put', key: Buffer.from(key, 'hex'), value: '' })),
      { keyEncoding: 'buffer' }
    )
    const list = async (prefix: string): Promise<string[]> => {
      const text = await partyd.print(
        'ls',
        location,
        '--prefix',
        prefix,
        '--key-encoding',
        'hex',
        '--keys'
      )
      return text.split('\n').slice(0, -1)
    }
    expect(await list('61ff')).toEqual(['61ff', '61ffff'])
    expect(await list('ff')).toEqual(['ff', 'ffff'])
  })

  it('of many entries ends at once when nobody reads on, and needs little memory', async () => {
    const { location, db } = await openWith([])
    // 160 MB, of which a process that gathers them shows.
    for (let part = 0; part < 10; part++) {
      const entries = manyEntries(4_000, randomBytes(2_000).toString('hex'))
      await db.batch(entries.map(([key, value]) => ({ type: 'put', key: part + key, value })))
    }
    const run = partyd.start(['ls', location])
    const memory = new MemoryWatch(run.child.pid as number)
    await run.printedBytes(80_000_000)
    memory.stop()
    run.child.stdout?.destroy()
    const [code] = await once(run.child, 'exit')
    expect(code).toBe(0)
    expect(memory.growth).toBeLessThan(110)
  })

  it('goes on when the daemon dies, behind the last entry, and says so', async () => {
    const entries = manyEntries(100_000, 'v'.repeat(50))
    const { location, db } = await openWith(entries)
    await db.close()
    const run = partyd.start(['ls', location, '--keys'])
    const stdout = run.child.stdout as NonNullable<Partyd['child']['stdout']>
    await once(stdout, 'data')
    stdout.pause()
    await killDaemon(location)
    stdout.resume()
    const { code, stderr } = await run.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('later moment') })
    expect(run.lines).toEqual(entries.map(([key]) => key))
  })

  it('is of one moment, whatever is written meanwhile', async () => {
    const entries = manyEntries(100_000, 'old')
    const { location, db } = await openWith(entries)
    const run = partyd.start(['ls', location, '--values'])
    const stdout = run.child.stdout as NonNullable<Partyd['child']['stdout']>
    await once(stdout, 'data')
    stdout.pause()
    await db.batch(entries.map(([key]) => ({ type: 'put', key, value: 'new' })))
    stdout.resume()
    const { code } = await run.finished
    expect(code).toBe(0)
    expect(new Set(run.lines)).toEqual(new Set(['old']))
  })
})

describe('watch', () => {
  const isWatching = (_: string[], stderr: string): boolean => stderr.includes('watching')

  it('prints what others change, across the death of the daemon', async () => {
    const { location, db } = await openWith([])
    const run = partyd.start(['watch', location, '--json', '--prefix', 'a'])
    await run.printed(isWatching)
    await db.put('a\n1', '1')
    await db.put('b', 'not in the range')
    await partyd.print('del', location, 'a2')
    await run.printed((lines) => lines.length === 2)
    await killDaemon(location)
    await run.printed((lines) => lines.length === 3)
    await db.put('a3', '3')
    await run.printed((lines) => lines.length === 4)
    expect(run.lines.map((line) => JSON.parse(line))).toEqual([
      { type: 'put', key: 'a\n1', value: '1', seq: expect.any(Number), last: true },
      { type: 'del', key: 'a2', seq: expect.any(Number), last: true },
      { type: 'reset' },
      { type: 'put', key: 'a3', value: '3', seq: expect.any(Number), last: true }
    ])
    run.child.kill('SIGINT')
    expect((await run.finished).code).toBe(130)
  })

  it('ends well by its limit and by its time', async () => {
    const { location, db } = await openWith([])
    const limited = partyd.start(['watch', location, '--limit', '2', '--sublevel', 's'])
    const timed = partyd.start(['watch', location, '--timeout', '8s'])
    await Promise.all([limited.printed(isWatching), timed.printed(isWatching)])
    const sublevel = db.sublevel('s')
    await sublevel.batch([
      { type: 'put', key: 'a', value: '\t' },
      { type: 'del', key: 'b' },
      { type: 'del', key: 'c' }
    ])
    expect((await limited.finished).code).toBe(0)
    expect(limited.lines).toEqual(['put\ta\t\\t', 'del\tb'])
    expect((await timed.finished).code).toBe(0)
    expect(timed.lines).toEqual(['put\t!s!a\t\\t', 'del\t!s!b', 'del\t!s!c'])
  })
})

describe('compact', () => {
  function tableBytes(location: string): number {
    const names = readdirSync(location).filter((name) => name.endsWith('.ldb'))
    return names.reduce((sum, name) => sum + statSync(join(location, name)).size, 0)
  }

  it('gives back what deleted entries took, of a sublevel alone or of everything', async () => {
    const { location, db } = await openWith([])
    const fill = async (name: string): Promise<void> => {
      const sublevel = db.sublevel<string, Buffer>(name, { valueEncoding: 'buffer' })
      const keys = Array.from({ length: 3_000 }, (_, index) => `k${index}`)
      await sublevel.batch(keys.map((key) => ({ type: 'put', key, value: randomBytes(1_000) })))
    }
    await fill('one')
    await fill('two')
    await partyd.print('compact', location)
    expect(tableBytes(location)).toBeGreaterThan(5.5e6)
    await db.clear()
    await partyd.print('compact', location, '--sublevel', 'one')
    expect(tableBytes(location)).toBeLessThan(4.5e6)
    expect(parse(await partyd.print('compact', location, '--json'))).toMatchObject([{ done: true }])
    expect(tableBytes(location)).toBeLessThan(1e5)
  })
})

const hasTerminal = await canRun('script', '--version')
describe.skipIf(!hasTerminal)('on a terminal', () => {
  it('get ends the line, and shows what would be commands to it escaped', async () => {
    const { location } = await openWith([
      ['plain', 'text'],
      ['rude', '\x1b[2J']
    ])
    const entry = new URL('../../packages/daemon/bin/partyd.cjs', import.meta.url).pathname
    const show = async (key: string): Promise<string> => {
      const line = `'${process.execPath}' '${entry}' get '${location}' ${key}`
      return (await new Command('script', ['-qec', line, '/dev/null']).succeeded()).stdout
    }
    expect(await show('plain')).toBe('text\r\n')
    expect(await show('rude')).toMatch(/^\\x1b\[2J\r\nEscaped/)
  })
})

it('a daemon that a command has started serves the next one', async () => {
  const location = locations.create()
  await partyd.print('put', location, 'a', '1')
  const before = findDaemons(location)
  await partyd.print('get', location, 'a')
  expect(findDaemons(location)).toEqual(before)
  expect(before).toHaveLength(1)
})
