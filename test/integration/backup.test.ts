// `partyd backup`: a database of one moment, which any LevelDB opens, or none at all.

import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { Clients } from '../harness/clients.js'
import { DaemonCommands } from '../harness/daemon-command.js'
import { fill, manyEntries, readBinary, strangeEntries } from '../harness/entries.js'
import { isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { findPartials, PipedCommands } from '../harness/piped-command.js'

vi.setConfig({ testTimeout: 120_000 })

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

async function createMany(): Promise<string> {
  const location = locations.create()
  await fill(location, manyEntries(MANY, 500))
  return location
}

function createTarget(): string {
  return join(locations.create(), 'backup')
}

async function killDaemon(location: string): Promise<void> {
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

it('has the entries of one moment and no others, while others write', async () => {
  const location = await createMany()
  const writer = clients.start(
    `const db = new PartyLevel(location)
     for (let n = 1; ; n++) {
       const accounts = ['!', 'key 00010000!', 'key 00020000!', 'key 00030000!', '~']
       // What is taken from one is given to another.
       const amounts = accounts.map((_, index) => index * n)
       amounts[0] = -amounts.reduce((sum, amount) => sum + amount)
       await db.batch(accounts.map((key, index) => ({ type: 'put', key, value: String(amounts[index]) })))
       if (n === 1) console.log('ready')
     }`,
    { args: [location], timeoutMs: 100_000 }
  )
  await writer.printed('ready')
  const seen = new Set<string>()
  for (let turn = 0; turn < 3; turn++) {
    const target = createTarget()
    const { code, stdout } = await commands.run(['backup', location, target, '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, entries: MANY + 5, target })
    const entries = await readBinary(target)
    expect(entries.length).toBe(MANY + 5)
    // The daemon keeps entries of its own while clients are connected.
    expect(entries.filter(([key]) => key[0] === 0xff)).toEqual([])
    const amounts = entries.flatMap(([key, value]) =>
      /!$|^~$/.test(`${key}`) ? [Number(value)] : []
    )
    expect(amounts.length).toBe(5)
    expect(amounts.reduce((sum, amount) => sum + amount)).toBe(0)
    expect(amounts[4]).toBeGreaterThan(0)
    seen.add(`${amounts[4]}`)
  }
  expect(seen.size).toBeGreaterThan(1)
})

it('has every byte, and is a location like any other', async () => {
  const location = locations.create()
  const target = createTarget()
  const entries = strangeEntries()
  await fill(location, entries)
  const { code, stdout } = await commands.run(['backup', location, target])
  expect(code).toBe(0)
  expect(stdout).toMatch(`backed up ${entries.length} entries, `)
  for (const name of ['', ...readdirSync(target)]) {
    expect(statSync(join(target, name)).mode & 0o077, name).toBe(0)
  }
  expect((await commands.run(['stop', location])).code).toBe(0)
  const found = await readBinary(target)
  const before = await readBinary(location)
  expect(found.length).toBe(entries.length)
  expect(
    found.every((entry, index) =>
      entry.every((data, side) => data.equals(before[index]?.[side] as Buffer))
    )
  ).toBe(true)
  const db = clients.open(target)
  await db.put('later', '')
  expect(await db.get('later')).toBe('')
})

it('is empty when the database is', async () => {
  const location = locations.create()
  const target = createTarget()
  await fill(location, [])
  expect((await commands.run(['backup', location, target])).code).toBe(0)
  expect(await readBinary(target)).toEqual([])
})

it('takes an empty directory for its own, and no other', async () => {
  const location = locations.create()
  await fill(location, [[Buffer.from('a'), Buffer.from('1')]])
  const folder = locations.create()
  const [empty, full, file] = ['empty', 'full', 'file'].map((name) => join(folder, name)) as [
    string,
    string,
    string
  ]
  mkdirSync(empty)
  mkdirSync(full)
  writeFileSync(join(full, 'mine'), '')
  writeFileSync(file, '')
  for (const target of [full, file, location]) {
    const { code, stderr } = await commands.run(['backup', location, target])
    expect(code, target).toBe(2)
    expect(stderr).toContain('PARTYD_USAGE: ')
  }
  expect(readdirSync(full)).toEqual(['mine'])
  expect((await commands.run(['backup', location, join(folder, 'none', 'backup')])).code).toBe(23)
  expect((await commands.run(['backup', location, empty])).code).toBe(0)
  expect(await readBinary(empty)).toHaveLength(1)
  expect(readdirSync(folder).sort()).toEqual(['empty', 'file', 'full'])
})

it('and an export are not put inside the database', async () => {
  const location = locations.create()
  await fill(location, strangeEntries())
  const inside = join(location, 'backup')
  const { code, stderr } = await commands.run(['backup', location, inside])
  expect(code).toBe(2)
  expect(stderr).toContain(`PARTYD_USAGE: ${inside} is inside ${location}`)
  expect(existsSync(inside)).toBe(false)
  for (const name of ['export.ndjson', 'CURRENT']) {
    const file = join(location, name)
    const exported = await commands.run(['export', location, file, '--force'])
    expect(exported).toMatchObject({ code: 2, stderr: expect.stringContaining('is inside') })
  }
  // A name that only begins alike is another directory.
  expect((await commands.run(['backup', location, `${location}-copy`])).code).toBe(0)
  rmSync(`${location}-copy`, { recursive: true })
})

it('refuses what another backup has put there meanwhile', async () => {
  const location = await createMany()
  const target = createTarget()
  const slower = commands.start(['backup', location, target])
  await slower.stopInTheMiddle(target, 1_000_000)
  expect((await commands.run(['backup', location, target])).code).toBe(0)
  slower.child.kill('SIGCONT')
  const { code, stderr } = await slower.finished
  expect(code).toBe(2)
  expect(stderr).toMatch(/^PARTYD_USAGE: there is something at .*\n {2}Name a directory/)
  expect(findPartials(target)).toEqual([])
  expect(existsSync(join(target, 'CURRENT'))).toBe(true)
})

it.each(['SIGINT', 'SIGTERM', 'twice SIGINT'])('leaves nothing after %s', async (how) => {
  const location = await createMany()
  const target = createTarget()
  const command = commands.start(['backup', location, target])
  await command.stopInTheMiddle(target, 1_000_000)
  command.child.kill(how === 'SIGTERM' ? how : 'SIGINT')
  command.child.kill('SIGCONT')
  if (how.startsWith('twice')) command.child.kill('SIGINT')
  expect((await command.finished).code).toBe(130)
  expect(existsSync(target)).toBe(false)
  expect(findPartials(target)).toEqual([])
})

it('leaves under its own name nothing that is not complete, be it killed', async () => {
  const location = await createMany()
  const target = createTarget()
  const command = commands.start(['backup', location, target])
  await command.stopInTheMiddle(target, 1_000_000)
  command.child.kill('SIGKILL')
  await command.finished
  expect(existsSync(target)).toBe(false)
  expect((await commands.run(['backup', location, target])).code).toBe(0)
  expect(await readBinary(target)).toHaveLength(MANY)
})

it('is started over when the daemon dies', async () => {
  const location = await createMany()
  const target = createTarget()
  const command = commands.start(['backup', location, target])
  await command.stopInTheMiddle(target, 1_000_000)
  await killDaemon(location)
  // Of a moment behind the death, or it would have lost a write.
  await clients.open(location).put('later', '')
  command.child.kill('SIGCONT')
  const { code, stderr } = await command.finished
  expect(code).toBe(0)
  expect(stderr).toContain('starting over (1 of 3 times)')
  expect(await readBinary(target)).toHaveLength(MANY + 1)
  expect(findPartials(target)).toEqual([])
})

it('says that the disk is full, and leaves nothing', async () => {
  const location = await createMany()
  await daemons.serve(location)
  const target = createTarget()
  const wrapper = ['prlimit', '--fsize=500000']
  const { code, stderr } = await commands.run(['backup', location, target], { wrapper })
  expect({ code, stderr }).toMatchObject({
    code: 23,
    stderr: expect.stringMatching(/^LEVEL_IO_ERROR: /)
  })
  expect(existsSync(target)).toBe(false)
  expect(findPartials(target)).toEqual([])
})

it('makes no database where there is none', async () => {
  const folder = locations.create()
  const paths = [join(folder, 'none'), join(folder, 'backup')]
  const { code, stderr } = await commands.run(['backup', ...paths])
  expect(code).toBe(2)
  expect(stderr).toContain('there is no database at ')
  expect(readdirSync(folder)).toEqual([])
})
