// rave-level's users change the import, and stop the processes that still run rave-level.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'
import { connectGuest } from '@partyd/client/many-level'
import { afterEach, describe, expect, it } from 'vitest'
import { Command } from '../harness/command.js'
import { Locations } from '../harness/locations.js'

const locations = new Locations()
const commands: Command[] = []
afterEach(async () => {
  await Promise.all(commands.splice(0).map((command) => command.end()))
  await locations.reap()
})

const HERE = fileURLToPath(new URL('.', import.meta.url))
const UPGRADING = readFileSync(new URL('../../UPGRADING.md', import.meta.url), 'utf8')
const VISITORS = ['ada', 'alan', 'grace', 'john']

function start(...args: string[]): Command {
  const command = new Command(process.execPath, args, { cwd: HERE })
  commands.push(command)
  return command
}

async function visit(module: string, location: string): Promise<string[]> {
  const visits = VISITORS.map((visitor) =>
    start('rave-level-program.cjs', module, location, visitor).succeeded()
  )
  return (await Promise.all(visits)).map(({ stdout, stderr }) => stdout + stderr)
}

describe('a program written for rave-level', () => {
  it('prints the same in four processes with PartyLevel', async () => {
    const outputs = await visit('@partyd/client', locations.create())
    for (const output of outputs) expect(output).toMatch(/\nclosed\n$/)
    expect(outputs).toEqual(await visit('rave-level', locations.create()))
  })

  it('goes on with the data of rave-level', async () => {
    const location = locations.create()
    await visit('rave-level', location)
    const db = new PartyLevel(location, { valueEncoding: 'json' })
    try {
      for (const visitor of VISITORS) expect(await db.get(`chained ${visitor}`)).toBe(true)
      expect(await db.sublevel('pages').keys().all()).toHaveLength(2 * VISITORS.length)
    } finally {
      await db.close()
    }
  })
})

/** A process that leads by rave-level. */
async function lead(location: string): Promise<number> {
  const source = `const { RaveLevel } = require('rave-level')
    new RaveLevel(process.argv[1]).on('leader', () => console.log('leader'))
    process.stdin.resume()
    setInterval(() => {}, 1000)`
  const command = start('--eval', source, location)
  await command.printed((lines) => lines.includes('leader'))
  return command.child.pid as number
}

describe('a process that still leads by rave-level', () => {
  it('is named when the database cannot be opened', async () => {
    const location = locations.create()
    const pid = await lead(location)
    const db = new PartyLevel(location)
    const cause = {
      code: 'LEVEL_LOCKED',
      path: location,
      pid,
      message: `The database at ${location} is locked by pid ${pid}, which is not partyd. Stop that process or let it use partyd too; never delete LOCK.`
    }
    await expect(db.open()).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN', cause })
    const shown = cause.message.replace(location, '/srv/app/data').replace(String(pid), '1298')
    expect(UPGRADING).toContain(`LevelError: ${shown}\n`)
    const guest = connectGuest(location)
    guest.get('key').catch(() => {})
    expect(await once(guest, 'error')).toMatchObject([cause])
  })

  it('gives way when it is stopped', async () => {
    const location = locations.create()
    const pid = await lead(location)
    const db = new PartyLevel(location)
    const written = db.put('key', 'value')
    process.kill(pid, 'SIGTERM')
    await written
    expect(await db.get('key')).toBe('value')
    await db.close()
  })
})
