// One location under two real paths, as a bind mount makes them, with endpoints that do not fit into
// the longer one. The mounts are in a namespace of their own, and end with it.

import { cpSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { type Rendezvous, shortEndpoint } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Command, type CommandResult, canRun } from '../harness/command.js'
import { findDaemons, Locations, publishedPid } from '../harness/locations.js'

const clients = new Clients()
const locations = new Locations()
const others: Command[] = []

afterEach(async () => {
  for (const command of others.splice(0)) await command.end()
  await clients.end()
  await locations.reap()
})

/** Needs the right to mount in a namespace of one's own. */
const mayMount = await canRun('unshare', '-m', 'sh', '-c', 'mount --bind /tmp /mnt')

const PUT = `import { PartyLevel } from '@partyd/client'
const [, location, key] = process.argv
const db = new PartyLevel(location, { idleTimeoutMs: 2_000, connectTimeoutMs: 45_000 })
await db.put(key, key)
console.log(JSON.stringify(await db.keys().all()))
await db.close()`

/** Puts a key, and prints all, through another name of the location. */
function putThrough(name: string, location: string, key: string): Promise<CommandResult> {
  const mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
  const node = [process.execPath, '--input-type=module', '--eval', PUT, '--', name, key]
  const cwd = new URL('..', import.meta.url).pathname
  const args = ['-m', 'sh', '-c', mount, 'sh', location, name, ...node]
  const command = new Command('unshare', args, { cwd, timeoutMs: 60_000 })
  others.push(command)
  return command.finished
}

function createLong(): string {
  const location = join(locations.create(), 'x'.repeat(120))
  mkdirSync(location, { mode: 0o700 })
  return location
}

function publishedEndpoint(location: string): string {
  const text = readFileSync(join(location, 'partyd.json'), 'utf8')
  return (JSON.parse(text) as Rendezvous).endpoint
}

// 26
describe.runIf(mayMount)('a location that is mounted elsewhere has one daemon', () => {
  it.each([
    ['long', 'short'],
    ['short', 'long'],
    ['long', 'another long']
  ])('when it is started by a %s name and found by a %s one', async (first, second) => {
    const [location, name] = [first, second].map((length) =>
      length === 'short' ? locations.create() : createLong()
    ) as [string, string]
    const db = clients.open(location)
    await db.put('first', '1')
    const pid = publishedPid(location)
    expect(dirname(publishedEndpoint(location)) === location).toBe(first === 'short')
    expect(await putThrough(name, location, 'second')).toMatchObject({
      code: 0,
      stdout: '["first","second"]\n',
      stderr: ''
    })
    expect(publishedPid(location)).toBe(pid)
    expect(findDaemons(location)).toEqual([pid])
    expect(findDaemons(name)).toEqual([])
  })

  it('when clients of all its names start at once', async () => {
    const [location, name] = [createLong(), locations.create()]
    const outside = Array.from({ length: 3 }, async (_, index) => {
      const db = clients.open(location)
      await db.put(`outside ${index}`, 'x')
    })
    const inside = Array.from({ length: 3 }, (_, index) =>
      putThrough(name, location, `inside ${index}`)
    )
    await Promise.all(outside)
    for (const { code, stderr } of await Promise.all(inside)) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    }
    expect(await clients.open(location).keys().all()).toHaveLength(6)
    expect([...findDaemons(location), ...findDaemons(name)]).toHaveLength(1)
  })
})

describe('a copy of a location that is served', () => {
  it.each([true, false])(
    'does not lead to the daemon of the original (short: %s)',
    async (isShort) => {
      const location = isShort ? locations.create() : createLong()
      const db = clients.open(location)
      await db.put('a', 'original')
      const copy = isShort ? locations.create() : createLong()
      cpSync(join(location, 'partyd.json'), join(copy, 'partyd.json'))
      expect(publishedEndpoint(copy)).toBe(publishedEndpoint(location))
      const other = clients.open(copy)
      expect(await other.get('a')).toBe(undefined)
      await other.put('a', 'copy')
      expect(await db.get('a')).toBe('original')
      if (!isShort) {
        const platform = {
          name: process.platform,
          uid: process.getuid?.() ?? -1,
          runtimeDirectory: undefined
        }
        const endings = [location, copy].map((path) => shortEndpoint(path, platform).slice(-21))
        expect(publishedEndpoint(location).endsWith(endings[0] as string)).toBe(true)
        expect(publishedEndpoint(copy).endsWith(endings[1] as string)).toBe(true)
      }
      await PartyLevel.stop(copy)
    }
  )
})
