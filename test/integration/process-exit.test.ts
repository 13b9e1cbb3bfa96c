// When an application's process ends: as soon as nobody awaits anything, and not before. And the
// daemon that it started is none of its business any more.

import { execFile } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { PartyLevel } from '@partyd/client'
import { describe, expect, it } from 'vitest'
import { countBoots, readBoots } from '../harness/boots.js'
import { findDaemons, publishedPid } from '../harness/locations.js'
import type { Finished } from '../harness/program.js'
import { setUp } from '../harness/set-up.js'
import { expectWithin } from '../harness/slowness.js'

const { clients, locations } = setUp()

/** How long a program may go on after its last line of work. A daemon stays for 30 s. */
const EXIT_MS = 1500

/** Prints the time; the last such line tells when the program had nothing more to do. */
const DONE = `console.log('done', Date.now())`

/** Runs a program that prints when it is done, and expects it to end at once after that. */
async function expectToExit(source: string, location: string): Promise<Finished> {
  const finished = await clients.run(source, { args: [location] })
  const endedAt = Date.now()
  expect(finished).toMatchObject({ code: 0, stderr: '' })
  const doneAt = Number(/.*done (\d+)/s.exec(finished.stdout)?.[1])
  expectWithin(endedAt - doneAt, EXIT_MS)
  return finished
}

async function startDaemon(location: string): Promise<void> {
  const db = new PartyLevel(location)
  await db.open()
  await db.close()
}

describe.each(['cold', 'warm'])('on a %s location, a program', (temperature) => {
  async function createLocation(): Promise<string> {
    const location = locations.create()
    if (temperature === 'warm') await startDaemon(location)
    return location
  }

  it.each([
    ['puts without close()', `const db = new PartyLevel(location); await db.put('key', 'value')`],
    ['opens and does nothing', `const db = new PartyLevel(location); await db.open()`],
    ['makes a database and does nothing', `const db = new PartyLevel(location)`],
    [
      'closes',
      `const db = new PartyLevel(location); await db.put('key', 'value'); await db.close()`
    ],
    [
      'has ten databases open',
      `for (let n = 0; n < 10; n++) await new PartyLevel(location).put('key', String(n))`
    ],
    [
      'leaves an iterator open',
      `const db = new PartyLevel(location)
      await db.batch(Array.from({ length: 5000 }, (_, n) => ({ type: 'put', key: 'k' + n, value: 'v' })))
      const iterator = db.iterator()
      await iterator.next()
      await iterator.nextv(2000)`
    ],
    [
      'leaves an iterator of a snapshot open',
      `const db = new PartyLevel(location, { retry: false })
      await db.batch(Array.from({ length: 5000 }, (_, n) => ({ type: 'put', key: 'k' + n, value: 'v' })))
      const iterator = db.iterator()
      await iterator.next()`
    ],
    [
      'leaves an iterator without a demand',
      `const db = new PartyLevel(location); await db.open(); db.iterator()`
    ],
    [
      'breaks out of a loop over entries',
      `const db = new PartyLevel(location)
      await db.batch(Array.from({ length: 5000 }, (_, n) => ({ type: 'put', key: 'k' + n, value: 'v' })))
      for await (const [key] of db.iterator()) if (key === 'k3') break`
    ],
    [
      'has no retry',
      `const db = new PartyLevel(location, { retry: false }); await db.put('key', 'value')`
    ],
    [
      'has a sublevel',
      `const db = new PartyLevel(location); await db.sublevel('sub').put('key', 'value')`
    ],
    [
      'has had an operation fail',
      `const db = new PartyLevel(location)
      await db.put('key', undefined).catch(() => {})
      await db.open({ createIfMissing: false }).catch(() => {})`
    ],
    [
      'waited for another daemon after a kill',
      `import { readFileSync } from 'node:fs'
      const db = new PartyLevel(location)
      await db.open()
      process.kill(JSON.parse(readFileSync(location + '/partyd.json')).pid, 'SIGKILL')
      await db.put('key', 'value')`
    ]
  ])('that %s exits at once', async (_what, source) => {
    const location = await createLocation()
    await expectToExit(`${source}\n${DONE}`, location)
    expect(findDaemons(location)).toHaveLength(1)
  })

  it('that puts without close() has put', async () => {
    const location = await createLocation()
    const source = `const db = new PartyLevel(location); await db.put('key', 'value')\n${DONE}`
    const { ms } = await expectToExit(source, location)
    const bare = await clients.run('', { args: [location] })
    console.log(`${temperature}: node and SDK alone ${bare.ms} ms, with a put ${ms} ms`)
    expectWithin(ms - bare.ms, EXIT_MS)
    expect(await clients.open(location).get('key')).toBe('value')
  })

  it('that awaits nothing exits when its writes are in the database', async () => {
    const location = await createLocation()
    const source = `const db = new PartyLevel(location)
      db.put('key', 'value')
      db.batch([{ type: 'put', key: 'batched', value: 'value' }])
      for (let n = 0; n < 20_000; n++) db.put('many ' + n, 'v'.repeat(100))
      db.sublevel('sub').put('key', 'value')
      db.del('many 7')`
    expect(await clients.run(source, { args: [location] })).toMatchObject({ code: 0, stderr: '' })
    const db = clients.open(location)
    expect(await db.get('key')).toBe('value')
    expect(await db.get('batched')).toBe('value')
    expect(await db.sublevel('sub').get('key')).toBe('value')
    expect(await db.keys({ gte: 'many ', lt: 'many!' }).all()).toHaveLength(19_999)
  })

  it('that awaits nothing gets its answers', async () => {
    const location = await createLocation()
    const source = `const db = new PartyLevel(location)
      db.put('key', 'value')
      db.get('key').then((value) => console.log('got', value))
      db.keys().all().then((keys) => console.log('keys', keys.length))`
    const { code, stdout, stderr } = await clients.run(source, { args: [location] })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n').sort()).toEqual(['', 'got value', 'keys 1'])
  })
})

// 41, with the programs above.
describe('a program with a pending operation', () => {
  it.each([
    ['get', `db.get('before').then((value) => console.log('got', value))`, 'got 1'],
    ['put', `db.put('key', 'value').then(() => console.log('put'))`, 'put'],
    ['awaited iterator', `db.keys().all().then((keys) => console.log('keys', keys))`, `'before'`],
    ['close', `db.put('key', 'value'); db.close().then(() => console.log('closed'))`, 'closed']
  ])('waits for its %s as long as the daemon is stopped', async (_what, statement, printed) => {
    const location = locations.create()
    const source = `import { readFileSync } from 'node:fs'
      const db = new PartyLevel(location)
      await db.put('before', '1')
      process.kill(JSON.parse(readFileSync(location + '/partyd.json')).pid, 'SIGSTOP')
      ${statement}
      console.log('waiting')`
    const program = clients.start(source, { args: [location] })
    await program.printed('waiting')
    // That nothing happens can only be seen by waiting for it.
    await sleep(1000)
    expect(program.child.exitCode).toBeNull()
    expect(program.stdout).toBe('waiting\n')
    process.kill(publishedPid(location) as number, 'SIGCONT')
    const { code, stdout, stderr } = await program.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(printed)
  })

  it('waits for its put while there is no daemon', async () => {
    const location = locations.create()
    const source = `import { readFileSync } from 'node:fs'
      const db = new PartyLevel(location)
      await db.open()
      process.kill(JSON.parse(readFileSync(location + '/partyd.json')).pid, 'SIGKILL')
      db.put('key', 'value')`
    const { code, stderr } = await clients.run(source, { args: [location] })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(await clients.open(location).get('key')).toBe('value')
  })
})

// 37
describe('the output of a program that started a daemon', () => {
  it('is closed when the program ends, while the daemon lives', async () => {
    const location = locations.create()
    const source = `import { readlinkSync } from 'node:fs'
      const db = new PartyLevel(location)
      await db.put('key', 'value')
      console.log('pipes', readlinkSync('/proc/self/fd/1'), readlinkSync('/proc/self/fd/2'))`
    const program = clients.start(source, { args: [location] })
    const endedAt = new Promise<number>((resolve) =>
      program.child.once('exit', () => resolve(Date.now()))
    )
    const { code, stdout } = await program.finished
    expect(code).toBe(0)
    expectWithin(Date.now() - (await endedAt), 500)
    const [daemon] = findDaemons(location) as [number]
    const pipes = stdout.trim().split(' ').slice(1)
    expect(pipes).toHaveLength(2)
    for (const target of openFiles(daemon)) expect(pipes).not.toContain(target)
  })

  it('does not keep a shell waiting in $(client)', async () => {
    const location = locations.create()
    const script = `import { PartyLevel } from '@partyd/client'
      const db = new PartyLevel(process.argv[1])
      await db.put('key', 'value')
      console.log(await db.get('key'))`
    const { stdout } = await promisify(execFile)(
      'sh',
      [
        '-c',
        'echo "<$("$1" --input-type=module -e "$2" -- "$3" 2>&1 | cat)>"',
        'sh',
        process.execPath,
        script,
        location
      ],
      { cwd: join(import.meta.dirname, '..'), timeout: 20_000 }
    )
    expect(stdout).toBe('<value>\n')
    expect(findDaemons(location)).toHaveLength(1)
  })

  it('is not held by a daemon that another program started after a kill', async () => {
    const location = locations.create()
    await startDaemon(location)
    const source = `import { readFileSync } from 'node:fs'
      const db = new PartyLevel(location)
      await db.open()
      process.kill(JSON.parse(readFileSync(location + '/partyd.json')).pid, 'SIGKILL')
      await db.put('key', 'value')\n${DONE}`
    await expectToExit(source, location)
    expect(findDaemons(location)).toHaveLength(1)
  })
})

/** What the descriptors of a process refer to. */
function openFiles(pid: number): string[] {
  const directory = `/proc/${pid}/fd`
  return readdirSync(directory).map((fd) => readlinkSync(join(directory, fd)))
}

// 42
describe('worker threads and the main thread', () => {
  it('share one daemon, and each ends when it has nothing to do', async () => {
    const directory = locations.create()
    const location = join(directory, 'db')
    const bootsFile = join(directory, 'boots')
    const source = `import { once } from 'node:events'
      import { Worker } from 'node:worker_threads'
      const spawn = { args: JSON.parse(process.argv[2]) }
      const workerData = { client: import.meta.resolve('@partyd/client'), location, spawn }
      const code = \`
        const { workerData, threadId } = require('node:worker_threads')
        import(workerData.client).then(async ({ PartyLevel }) => {
          const db = new PartyLevel(workerData.location, { spawn: workerData.spawn })
          await db.put('worker ' + threadId, 'value')
        })\`
      // Without our own arguments, which say that the code is a module.
      const options = { eval: true, execArgv: [], workerData }
      const workers = Array.from({ length: 4 }, () => new Worker(code, options))
      const ends = workers.map((worker) => once(worker, 'exit'))
      const db = new PartyLevel(location, { spawn })
      await db.put('main', 'value')
      for (const [code] of await Promise.all(ends)) if (code !== 0) throw new Error('exit ' + code)
      console.log((await db.keys().all()).length)
      ${DONE}`
    const program = clients.start(source, {
      args: [location, JSON.stringify(countBoots(bootsFile))]
    })
    const { code, stdout, stderr } = await program.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^5\n/)
    expectWithin(Date.now() - Number(/done (\d+)/.exec(stdout)?.[1]), EXIT_MS)
    expect(findDaemons(location)).toEqual([publishedPid(location)])
    expect(readBoots(bootsFile)).toHaveLength(1)
  })
})
