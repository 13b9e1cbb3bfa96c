// Runs each file of examples/ and looks at what it prints; put.js and get.js with many more kills are
// seed-page.test.ts's.

import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Command } from '../harness/command.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { findDaemons, Locations } from '../harness/locations.js'

/** The longest of them, with kills, takes a few seconds on an idle machine. */
const RUN_MS = 60_000
vi.setConfig({ testTimeout: RUN_MS + 10_000 })

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url))

const locations = new Locations()
const commands: Command[] = []
afterEach(async () => {
  await Promise.all(commands.splice(0).map((command) => command.end()))
  await locations.reap()
})

const started = new Set<string>()

function start(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {}
): Command {
  started.add(name)
  const command = new Command(process.execPath, [name, ...args], {
    cwd: EXAMPLES,
    env: { ...process.env, ...env },
    timeoutMs: RUN_MS
  })
  commands.push(command)
  return command
}

/** Runs an example to its end and returns the lines that it prints. */
async function run(...args: Parameters<typeof start>): Promise<string[]> {
  const { stdout, stderr } = await start(...args).succeeded()
  expect(stderr).toBe('')
  return stdout.trimEnd().split('\n')
}

describe('put.js and get.js', () => {
  it('put and get', async () => {
    const location = locations.create()
    start('put.js', [location])
    const getter = start('get.js', [location])
    await getter.printed((lines) => lines.some((line) => /^a= \d+$/.test(line)))
  })
})

describe('demo.js', () => {
  it('shows that nobody notices the death of the daemon', async () => {
    const lines = await run('demo.js', [])
    expect(lines.filter((line) => line.startsWith('$ kill -9'))).not.toEqual([])
    expect(lines.at(-1)).toBe('The processes have ended, and the daemon is stopped.')
  })
})

describe('notes.js', () => {
  it('adds and lists beside its server, also when the daemon is killed', async () => {
    const location = locations.create()
    const env = { DATA: location, PORT: '0' }
    const server = start('notes.js', ['serve'], env)
    await server.printed((lines) => lines.length > 0)
    const url = server.lines[0]?.replace('Notes at ', '') as string
    await run('notes.js', ['add', 'Buy milk'], env)
    expect(await (await fetch(url)).text()).toBe('Buy milk\n')
    await killDaemon(location)
    await fetch(url, { method: 'POST', body: 'Call Ada' })
    const lines = await run('notes.js', ['list'], env)
    expect(lines).toEqual([
      expect.stringMatching(/^\d{4}-.*Z Buy milk$/),
      expect.stringMatching(/^\d{4}-.*Z Call Ada$/)
    ])
    await run('notes.js', ['clear'], env)
    expect(await (await fetch(url)).text()).toBe('')
  })

  it('says how it is used', async () => {
    const { code, stderr } = await start('notes.js', []).finished
    expect(code).toBe(2)
    expect(stderr).toBe('Usage: node notes.js serve | add | list | clear\n')
  })
})

describe('cluster-workers.js', () => {
  it('greets its visitors in every worker', async () => {
    const location = locations.create()
    const lines = await run('cluster-workers.js', [location])
    expect(lines).toHaveLength(12)
    for (const name of ['ada', 'grace', 'alan']) {
      expect(lines.filter((line) => line.endsWith(`greets ${name}`))).toHaveLength(3)
    }
    for (const id of [1, 2, 3]) expect(lines.join()).toContain(`Worker ${id} greets`)
    expect(findDaemons(location)).toHaveLength(1)
  })
})

describe('parallel-tests.js', () => {
  it('runs its tests in three workers', async () => {
    const lines = await run('parallel-tests.js', [locations.create()])
    expect(lines.slice(0, 3).sort()).toEqual([1, 2, 3].map((n) => `Worker ${n}: 2 tests passed`))
    expect(lines.slice(3)).toEqual(['All workers together put 6 users'])
  })
})

describe('job-queue.js', () => {
  it('does every job once, also that of the worker that is killed', async () => {
    const lines = await run('job-queue.js', [locations.create()])
    expect(lines.at(-1)).toBe('12 jobs are done, each of them once')
    const killed = lines.find((line) => line.startsWith('$ kill -9'))?.split(' ')[3]
    expect(lines.find((line) => line.includes(' takes '))).toContain(`${killed} takes job`)
    const done = lines.filter((line) => line.includes('has done')).map((line) => line.slice(-2))
    const all = Array.from({ length: 12 }, (_, n) => String(n + 1).padStart(2, '0'))
    expect(done.sort()).toEqual(all)
  })

  it('does every job once when the daemon is killed, too', async () => {
    const location = locations.create()
    const queue = start('job-queue.js', [location])
    for (const count of [4, 10]) {
      await queue.printed((lines) => lines.length > count)
      await killDaemon(location)
    }
    await queue.succeeded()
    expect(queue.lines.at(-1)).toBe('12 jobs are done, each of them once')
  })
})

describe('live-view.js', () => {
  it('shows what other processes write, before and after the daemon is killed', async () => {
    const env = { DATA: locations.create() }
    const views = [start('live-view.js', [], env), start('live-view.js', [], env)]
    const show = (line: string): Promise<unknown> =>
      Promise.all(views.map((view) => view.printed((lines) => lines.at(-1) === line)))
    await show('nothing yet')
    await run('live-view.js', ['put', 'apple', '3'], env)
    await show('apple 3')
    await run('live-view.js', ['put', 'pear', '4'], env)
    await show('apple 3, pear 4')
    await killDaemon(env.DATA)
    await run('live-view.js', ['del', 'apple'], env)
    await show('pear 4')
    for (const { stderr } of views) expect(stderr).toBe('')
  })
})

it('every example is run', () => {
  const names = readdirSync(EXAMPLES).filter((name) => name.endsWith('.js'))
  expect([...started].sort()).toEqual(names.sort())
})
