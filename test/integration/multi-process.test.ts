// What people start: any number of processes, under any name of the location and in any environment.
// They all meet at one daemon.

import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { currentPlatform, locationFiles, shortEndpoint } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { countBoots, readBoots } from '../harness/boots.js'
import { Clients } from '../harness/clients.js'
import { Command, canRun } from '../harness/command.js'
import { findDaemons, isAlive, Locations, publishedPid, until } from '../harness/locations.js'

const mayMount = await canRun('unshare', '-m', 'true')

const clients = new Clients()
const locations = new Locations()
const longLocations: string[] = []
afterEach(async () => {
  await clients.end()
  await locations.reap()
  // Only a daemon that ends by itself takes its endpoint outside the location away.
  for (const location of longLocations.splice(0)) {
    rmSync(shortEndpoint(location, currentPlatform()), { force: true })
  }
})

/** Puts one entry; arguments: location, key, arguments for the daemon's Node. */
const PUT_ONE = `
const [, , key, nodeArgs] = process.argv
const db = new PartyLevel(location, { spawn: { args: JSON.parse(nodeArgs) } })
await db.put(key, String(process.pid))
`

/** A location, not made yet, beside a file that counts the daemons started for it. */
function createCounted(): { location: string; bootsFile: string } {
  const directory = locations.create()
  return { location: join(directory, 'db'), bootsFile: join(directory, 'boots') }
}

/** Instance ids of the daemons that have served a location, by its log; stops the one that does. */
async function stopAndReadServed(location: string): Promise<string[]> {
  await PartyLevel.stop(location)
  return readFileSync(locationFiles(location).log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { msg: string; instanceId: string })
    .filter(({ msg }) => msg.startsWith('serving '))
    .map(({ instanceId }) => instanceId)
}

/** Daemons that lost the race may still be on their way out. The one that serves stays for 30 s. */
async function expectOneDaemon(location: string): Promise<void> {
  await until(() => findDaemons(location).length === 1, `one daemon of ${location} to be left`)
  expect(findDaemons(location)).toEqual([publishedPid(location)])
}

/** `stop` resolves when the lock is free; the process ends right after that. */
async function expectNoDaemon(location: string): Promise<void> {
  await until(() => findDaemons(location).length === 0, `the daemon of ${location} to end`)
}

async function killDaemon(location: string): Promise<void> {
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

/** Each starts eleven processes. */
const ROUNDS = process.env['PARTYD_TEST_SLOW'] === undefined ? 6 : 20

describe('a process that names a location relative to its directory', () => {
  it('keeps it when it goes elsewhere', async () => {
    const location = locations.create()
    const elsewhere = locations.create()
    const source = `
      import { dirname } from 'node:path'
      import { connectGuest } from '@partyd/client/many-level'
      const [, , name, elsewhere] = process.argv
      process.chdir(dirname(location))
      const db = new PartyLevel(name)
      const guest = connectGuest(name)
      await db.put('before', 'here')
      process.chdir(elsewhere)
      await PartyLevel.stop(location)
      await db.put('after', 'here')
      await guest.put('guest', 'here')
      process.chdir('/')
      await db.close()
      await db.open()
      console.log(db.location, ...(await db.values().all()))
      await guest.close()
    `
    const args = [location, basename(location), elsewhere]
    const { stdout, stderr } = await clients.run(source, { args })
    expect({ stdout, stderr }).toEqual({
      stdout: `${basename(location)} here here here\n`,
      stderr: ''
    })
    expect(readdirSync(elsewhere)).toEqual([])
  })
})

describe('ten processes started at once on a cold location', () => {
  it(`start one daemon, put one entry each and exit, ${ROUNDS} times`, {
    timeout: 240_000
  }, async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      const { location, bootsFile } = createCounted()
      const nodeArgs = JSON.stringify(countBoots(bootsFile))
      const startedAt = Date.now()
      const keys = Array.from({ length: 10 }, (_, index) => `key ${index}`)
      const finished = await Promise.all(
        keys.map((key) => clients.run(PUT_ONE, { args: [location, key, nodeArgs] }))
      )
      const ms = Date.now() - startedAt
      const daemons = readBoots(bootsFile).length
      console.log(`round ${round}: ${ms} ms, daemons started: ${daemons}`)

      for (const { code, stdout, stderr } of finished) {
        expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' })
      }
      await expectOneDaemon(location)
      expect(daemons).toBe(1)
      const db = new PartyLevel(location)
      expect(await db.keys().all()).toEqual(keys)
      expect(new Set(await db.values().all()).size).toBe(10)
      await db.close()
      expect(await stopAndReadServed(location)).toHaveLength(1)
      await locations.reap()
    }
  })
})

// 42; worker threads are in process-exit.test.ts.
describe('ten databases of one process on a cold location', () => {
  it('share one daemon', async () => {
    const { location, bootsFile } = createCounted()
    const spawn = { args: countBoots(bootsFile) }
    const databases = Array.from({ length: 10 }, () => clients.open(location, { spawn }))
    await Promise.all(databases.map((db, index) => db.put(`key ${index}`, 'value')))
    for (const db of databases) expect(await db.keys().all()).toHaveLength(10)
    expect(readBoots(bootsFile)).toEqual([publishedPid(location)])
    await expectOneDaemon(location)
    expect(await stopAndReadServed(location)).toHaveLength(1)
  })

  it('share one daemon again after it was killed under all of them', async () => {
    const { location, bootsFile } = createCounted()
    const spawn = { args: countBoots(bootsFile) }
    const databases = Array.from({ length: 10 }, () => clients.open(location, { spawn }))
    await Promise.all(databases.map((db) => db.open()))
    await killDaemon(location)
    await Promise.all(databases.map((db, index) => db.put(`key ${index}`, 'value')))
    for (const db of databases) expect(await db.keys().all()).toHaveLength(10)
    expect(readBoots(bootsFile)).toHaveLength(2)
    await expectOneDaemon(location)
  })
})

/** A path below the directory that is exactly so many characters long. */
function lengthen(directory: string, length: number): string {
  let path = directory
  while (path.length < length) {
    const rest = length - path.length - 1
    // No name may be longer than 255, and the last one must not be empty.
    path = join(path, 'n'.repeat(rest > 100 ? Math.min(98, rest - 2) : rest))
  }
  longLocations.push(path)
  return path
}

// 26
describe('paths to one directory', () => {
  it.each([
    // The endpoint of a short one is found under any name; that of a long one is made of its name.
    ['short', (directory: string) => join(directory, 'db')],
    ['long', (directory: string) => lengthen(directory, 200)]
  ])('all lead to one daemon, cold and at once (%s)', async (_what, makePath) => {
    const directory = locations.create()
    const location = makePath(directory)
    mkdirSync(location, { recursive: true })
    const linkToIt = join(directory, 'link to it')
    symlinkSync(location, linkToIt)
    const linkToParent = join(directory, 'link to parent')
    symlinkSync(dirname(location), linkToParent)
    const paths = [
      location,
      `${location}/`,
      `${dirname(location)}/x/../${basename(location)}`,
      relative(process.cwd(), location),
      linkToIt,
      relative(process.cwd(), linkToIt),
      join(linkToParent, basename(location))
    ]
    const databases = paths.map((path) => clients.open(path))
    await Promise.all(databases.map((db, index) => db.put(`key ${index}`, 'value')))
    for (const [index, db] of databases.entries()) {
      expect(await db.keys().all()).toHaveLength(paths.length)
      expect(db.location).toBe(paths[index])
    }
    await expectOneDaemon(location)
    expect(await stopAndReadServed(location)).toHaveLength(1)
  })

  // 26
  it.runIf(mayMount)('may be bind mounts', async () => {
    const location = locations.create()
    const mountPoint = locations.create()
    const db = clients.open(location)
    await db.put('outside', '1')
    const source = `import { PartyLevel } from '@partyd/client'
const db = new PartyLevel(process.argv[1])
await db.put('inside', await db.get('outside'))
await db.close()`
    const script = 'mount --bind "$0" "$1" && exec "$2" --input-type=module --eval "$3" -- "$1"'
    const args = ['-m', 'sh', '-c', script, location, mountPoint, process.execPath, source]
    const cwd = new URL('..', import.meta.url).pathname
    await new Command('unshare', args, { cwd }).succeeded()
    expect(await db.get('inside')).toBe('1')
    await expectOneDaemon(location)
    expect(readdirSync(mountPoint)).toEqual([])
  })

  it('stop the same daemon', async () => {
    const { location } = createCounted()
    const db = clients.open(location)
    await db.put('key', 'value')
    const link = join(dirname(location), 'link')
    symlinkSync(location, link)
    await PartyLevel.stop(relative(process.cwd(), link))
    await expectNoDaemon(location)
    expect(await db.get('key')).toBe('value')
  })
})

// 25
describe('a location', () => {
  it.each([
    ['spaces', ' two  spaces '],
    ['letters beyond ASCII', 'größe 数据库 🎉'],
    ['a combining accent', 'e\u0301'],
    ['percent signs', '100% %41%2F %s'],
    ['characters of the shell', `$HOME;'"\\*?#&|<>(){}[]!`],
    ['a line break', 'one\ntwo'],
    ['a leading dash', '--auto']
  ])('whose name has %s works end to end', async (_what, name) => {
    await expectToWork(join(locations.create(), name))
  })

  it.each([99, 100, 101, 110, 200, 300])('of %i characters works end to end', async (length) => {
    const location = lengthen(locations.create(), length)
    expect(location).toHaveLength(length)
    await expectToWork(location)
  })

  it('is not mistaken for another that begins like it', async () => {
    const parent = lengthen(locations.create(), 150)
    longLocations.push(join(parent, 'one'), join(parent, 'other'))
    const one = clients.open(join(parent, 'one'))
    const other = clients.open(join(parent, 'other'))
    await Promise.all([one.put('key', 'of one'), other.put('key', 'of other')])
    expect(await one.get('key')).toBe('of one')
    expect(await other.get('key')).toBe('of other')
    expect(findDaemons(parent)).toHaveLength(2)
    await PartyLevel.stop(one.location)
    await PartyLevel.stop(other.location)
  })

  /** Cold start, a second process, failover, stop. */
  async function expectToWork(location: string): Promise<void> {
    const db = clients.open(location)
    await db.put('mine', '1')
    const { code, stderr } = await clients.run(PUT_ONE, { args: [location, 'theirs', '[]'] })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    await expectOneDaemon(location)
    await killDaemon(location)
    expect(await db.keys().all()).toEqual(['mine', 'theirs'])
    await expectOneDaemon(location)
    await PartyLevel.stop(location)
    await expectNoDaemon(location)
  }
})

// 27
describe('processes of different environments', () => {
  it.each([
    ['short', (directory: string) => join(directory, 'db')],
    ['long', (directory: string) => lengthen(directory, 200)]
  ])('meet at one daemon of a %s path, also after it was killed', async (_what, makePath) => {
    const directory = locations.create()
    const location = makePath(directory)
    const environments = [
      { TMPDIR: join(directory, 'no such directory') },
      { TMPDIR: undefined, XDG_RUNTIME_DIR: join(directory, 'one') },
      { XDG_RUNTIME_DIR: join(directory, 'two'), HOME: undefined },
      { XDG_RUNTIME_DIR: undefined, HOME: undefined, TMPDIR: undefined, USER: undefined },
      // As under cron.
      { XDG_RUNTIME_DIR: '', HOME: '/', PATH: '/usr/bin:/bin', LANG: 'C' },
      // Too long for a socket, so it cannot be used.
      { XDG_RUNTIME_DIR: join(directory, 'x'.repeat(100)) }
    ]
    const putFromAll = (prefix: string): Promise<unknown> =>
      Promise.all(
        environments.map(async (env, index) => {
          const args = [location, `${prefix} ${index}`, '[]']
          const { code, stderr } = await clients.run(PUT_ONE, { args, env })
          expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        })
      )
    await putFromAll('cold')
    await expectOneDaemon(location)
    await putFromAll('warm')
    await expectOneDaemon(location)
    await killDaemon(location)
    await putFromAll('after a kill')
    await expectOneDaemon(location)
    const db = clients.open(location)
    expect(await db.keys().all()).toHaveLength(3 * environments.length)
    await PartyLevel.stop(location)
  })

  it.each([0, 1, 2, 3])('are followed by a connected client to the next one (%i)', async (turn) => {
    const directory = locations.create()
    const location = lengthen(directory, 200)
    const environments = [
      { XDG_RUNTIME_DIR: join(directory, 'one') },
      { XDG_RUNTIME_DIR: join(directory, 'two') },
      { XDG_RUNTIME_DIR: undefined }
    ]
    const [first, second] = [environments[turn % 3], environments[(turn + 1) % 3]]
    await clients.run(PUT_ONE, { args: [location, 'first', '[]'], env: first ?? {} })
    const db = clients.open(location)
    await db.open()
    await killDaemon(location)
    await clients.run(PUT_ONE, { args: [location, 'second', '[]'], env: second ?? {} })
    expect(await db.keys().all()).toEqual(['first', 'second'])
    await expectOneDaemon(location)
    await PartyLevel.stop(location)
  })
})
