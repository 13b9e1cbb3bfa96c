// `partyd stop`, `status` and `ping` as a script sees them: one line of JSON, an exit code, and no
// daemon that was not there before.

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readWithClassicLevel } from '../harness/foreign-process.js'
import { findDaemons } from '../harness/locations.js'
import { Oracle } from '../harness/oracle.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

async function run(...args: string[]): Promise<{ code: number | null; answer: unknown }> {
  const command = commands.start([...args, '--json'])
  const { code } = await command.ended
  const answer = command.stdout === '' ? command.stderr : JSON.parse(command.stdout)
  return { code, answer }
}

describe('partyd stop', () => {
  it('tells which daemon it has stopped, and the lock is free', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const { code, answer } = await run('stop', location)
    expect({ code, answer }).toEqual({
      code: 0,
      answer: { schema: 1, stopped: true, pid: daemon.pid, clients: 0, connections: [] }
    })
    expect(await readWithClassicLevel(location)).toEqual([])
  })

  it('has nothing to do where none runs, and makes no file', async () => {
    const location = locations.create()
    for (const directory of [location, join(location, 'missing')]) {
      expect(await run('stop', directory)).toEqual({
        code: 0,
        answer: { schema: 1, stopped: false }
      })
    }
    expect(readdirSync(location)).toEqual([])
  })

  it('waits for a daemon that is still starting, and then stops it', async () => {
    const oracle = new Oracle(locations.create())
    const db = clients.open(oracle.location, { spawn: oracle.spawn({ openedMs: 2_000 }) })
    const opening = db.open()
    // The lock is taken, but the daemon cannot be dialled yet.
    await oracle.happened('open')
    expect(oracle.count('publish')).toBe(0)
    const { code, answer } = await run('stop', oracle.location)
    expect({ code, answer }).toMatchObject({ code: 0, answer: { stopped: true } })
    await opening
    expect(oracle.count('close')).toBeGreaterThan(0)
    await db.close()
    await oracle.expectCleanEnd(new Map())
  })

  it('waits for a daemon that somebody else has stopped and that is closing the database', async () => {
    const oracle = new Oracle(locations.create())
    const db = clients.open(oracle.location, { spawn: oracle.spawn({ closeMs: 4_000 }) })
    await db.put('a', '1')
    await db.close()
    const first = run('stop', oracle.location)
    await oracle.happened('closing')
    const second = await run('stop', oracle.location)
    expect(oracle.count('close')).toBe(1)
    const { pid } = await oracle.happened('close')
    expect(second).toEqual({ code: 0, answer: { schema: 1, stopped: true, pid } })
    expect(await first).toMatchObject(second)
    await oracle.expectCleanEnd(new Map([['a', '1']]))
  })

  it('finds a daemon whose socket was removed, once it has published it again', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--fence-interval', '1000'])
    rmSync(join(location, 'partyd.sock'))
    expect((await run('stop', location)).code).toBe(0)
    expect((await daemon.ended).code).toBe(0)
  })
})

describe.each(['status', 'ping'])('partyd %s', (name) => {
  it('prints one object and ends with 0', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    const { code, answer } = await run(name, location)
    expect({ code, answer }).toMatchObject({ code: 0, answer: { schema: 1, pid: daemon.pid } })
  })

  it('ends with 3 where none runs, and starts none', async () => {
    const location = locations.create()
    for (const directory of [location, join(location, 'missing')]) {
      expect((await run(name, directory)).code).toBe(3)
    }
    expect(readdirSync(location)).toEqual([])
    expect(findDaemons(location)).toEqual([])
  })
})

it('all end with 4 when the daemon does not answer', { timeout: 60_000 }, async () => {
  const location = locations.create()
  const daemon = await commands.serve(location)
  process.kill(daemon.pid, 'SIGSTOP')
  const results = await Promise.all(['stop', 'status', 'ping'].map((name) => run(name, location)))
  process.kill(daemon.pid, 'SIGCONT')
  expect(results.map(({ code }) => code)).toEqual([4, 4, 4])
  const endpoint = join(location, 'partyd.sock')
  for (const { answer } of results)
    expect(answer).toMatchObject({ error: { pid: daemon.pid, endpoint } })
})
