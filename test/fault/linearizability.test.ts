// Many processes, few keys, and a daemon that is killed again and again: whatever clients saw must
// be explained by one order of all operations. And the check itself must be able to say no.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { PartyLevel } from '@partyd/client'
import { afterEach, describe, expect, it } from 'vitest'
import { type History, readHistory } from '../harness/history.js'
import { checkRegister, type Operation } from '../harness/linearizability.js'
import { isAlive, Locations, publishedPid } from '../harness/locations.js'
import { Program } from '../harness/program.js'
import { Random } from '../harness/random.js'

const CLIENTS = 8
const LANES = 24
const KEYS = Array.from({ length: 60 }, (_, index) => `key ${String(index).padStart(2, '0')}`)

const locations = new Locations()
const programs: Program[] = []

afterEach(async () => {
  // Clients first: they would start the next daemon.
  for (const { child, finished } of programs.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await finished
  }
  await locations.reap()
})

describe('the check of a register', () => {
  const read = operation('read')
  const write = operation('write')
  const ever = Number.POSITIVE_INFINITY

  it.each<[string, Operation[]]>([
    ['an empty history', []],
    ['a read of nothing', [read(undefined, 0, 1)]],
    ['one after the other', [write('a', 0, 1), read('a', 2, 3), write('b', 4, 5), read('b', 6, 7)]],
    [
      'overlapping writes in the order their readers saw',
      [write('a', 0, 9), write('b', 1, 8), read('b', 2, 3), read('a', 4, 5)]
    ],
    ['a read that began before the write', [read('a', 0, 9), write('a', 1, 2)]],
    ['a read that ended at the very time of the call', [write('a', 5, 9), read('a', 1, 5)]],
    ['a deletion', [write('a', 0, 1), write(undefined, 2, 3), read(undefined, 4, 5)]],
    [
      'a write in doubt that is seen late',
      [write('a', 0, ever), read(undefined, 1, 2), read('a', 3, 4)]
    ],
    ['a write in doubt that never happened', [write('a', 0, ever), read(undefined, 1, 2)]],
    [
      'two deletions, one of them in doubt',
      [
        write(undefined, 0, ever),
        write('a', 1, 2),
        read(undefined, 3, 4),
        write('b', 5, 6),
        read('b', 7, 8)
      ]
    ],
    [
      // Taking the first possible order is not enough.
      'an order that takes going back to find',
      [
        write('a', 0, 20),
        write('b', 0, 20),
        write('c', 0, 20),
        read('c', 1, 2),
        read('a', 3, 4),
        read('b', 5, 6)
      ]
    ]
  ])('accepts %s', (_, history) => {
    expect(checkRegister(history, Date.now() + 5_000)).toMatchObject({ isLinearizable: true })
  })

  it.each<[string, Operation[]]>([
    ['a value from nowhere', [read('a', 0, 1)]],
    ['a lost write', [write('a', 0, 1), read(undefined, 2, 3)]],
    ['a stale read', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
    [
      'a write that happens twice',
      [write('a', 0, 9), read('a', 1, 2), write('b', 3, 4), read('b', 5, 6), read('a', 7, 8)]
    ],
    [
      'two readers that disagree about an order',
      [write('a', 0, 9), write('b', 0, 9), read('a', 1, 2), read('b', 3, 4), read('a', 5, 6)]
    ],
    [
      'a write in doubt seen and lost',
      [write('a', 0, ever), read('a', 1, 2), read(undefined, 3, 4)]
    ],
    ['a read before the call', [read('a', 0, 1), write('a', 2, 3)]],
    [
      'a deletion undone',
      [write('a', 0, 1), write(undefined, 2, 3), read(undefined, 4, 5), read('a', 6, 7)]
    ]
  ])('refuses %s', (_, history) => {
    const verdict = checkRegister(history, Date.now() + 5_000)
    expect(verdict).toMatchObject({ isLinearizable: false })
    expect(verdict.conflict).toContain('no order for')
  })

  it('agrees with trying every order', () => {
    const seed = Random.seed()
    console.log(`PARTYD_TEST_SEED=${seed}`)
    const random = new Random(seed)
    const verdicts = { true: 0, false: 0 }
    for (let round = 0; round < 4_000; round++) {
      const history = Array.from({ length: 1 + random.below(6) }, () => {
        const invokedAt = random.below(12)
        const kind = random.pick(['read', 'write'] as const)
        const returnedAt = random.chance(0.15) ? ever : invokedAt + 1 + random.below(8)
        return operation(kind)(random.pick(['a', 'b', undefined]), invokedAt, returnedAt)
      })
      const { isLinearizable } = checkRegister(history, Date.now() + 5_000)
      expect([history, isLinearizable]).toEqual([history, hasOrder(history, undefined)])
      verdicts[`${isLinearizable}`]++
    }
    expect(verdicts.true).toBeGreaterThan(400)
    expect(verdicts.false).toBeGreaterThan(400)
  })

  it('gives no verdict when it has no time', () => {
    const writes = Array.from({ length: 2_000 }, (_, index) => write(`${index}`, index, index + 40))
    const reads = Array.from({ length: 2_000 }, (_, index) => read(`${index}`, index, index + 40))
    expect(() => checkRegister([...writes, ...reads], Date.now() - 1)).toThrow('No verdict in time')
  })
})

describe('eight processes and a daemon that is killed at any moment', () => {
  it('see one order of all operations', { timeout: 240_000 }, async () => {
    const { history, kills } = await load({
      kills: 30,
      ms: 12_000,
      livesMs: [20, 300, 1_500],
      preloads: ['hold-answers.js']
    })
    expect(kills).toBeGreaterThanOrEqual(30)
    // Tens of thousands on an idle machine; fewer than these would show little.
    expect(history.operations).toBeGreaterThan(1_000)
    // One client was killed, and only what it had under way may be without an end.
    expect(history.pending).toBeLessThanOrEqual(LANES)
    // Where a daemon needs longer to start than it may live, an operation meets five deaths in a row.
    const { PARTYD_DAEMON_LOST: _lost, ...errors } = history.errors
    expect(errors).toEqual({})
    expect(findConflicts(history)).toEqual([])
  })

  it('see none if the daemon forgets its sessions', { timeout: 240_000 }, async () => {
    const preloads = ['hold-answers.js', 'forget-sessions.js']
    // On a busy machine so little happens that it may be seen only in the next load.
    let conflicts: string[] = []
    for (let loads = 0; loads < 4 && conflicts.length === 0; loads++) {
      const { history } = await load({ kills: 10, ms: 5_000, livesMs: [1_000, 2_000], preloads })
      conflicts = findConflicts(history)
    }
    expect(conflicts.length).toBeGreaterThan(0)
  })
})

/** What the check is checked against: every order that the times allow, without any cleverness. */
function hasOrder(left: readonly Operation[], state: string | undefined): boolean {
  if (left.every(({ returnedAt }) => returnedAt === Number.POSITIVE_INFINITY)) return true
  const firstReturn = Math.min(...left.map(({ returnedAt }) => returnedAt))
  return left.some((next) => {
    if (next.invokedAt > firstReturn) return false
    if (next.kind === 'read' && next.value !== state) return false
    return hasOrder(
      left.filter((operation) => operation !== next),
      next.value
    )
  })
}

function operation(kind: Operation['kind']) {
  return (value: string | undefined, invokedAt: number, returnedAt: number): Operation => ({
    id: `${kind} at ${invokedAt}`,
    kind,
    value,
    invokedAt,
    returnedAt
  })
}

interface Load {
  /** How often to kill the daemon at least, and for how long at least. */
  readonly kills: number
  readonly ms: number
  /** How long a daemon may live, at most; one of these for each. */
  readonly livesMs: readonly number[]
  /** Files of test/harness that daemons run before they begin. */
  readonly preloads: readonly string[]
}

/** Runs the clients against a daemon that dies, and returns what they saw. */
async function load({
  kills,
  ms,
  livesMs,
  preloads
}: Load): Promise<{ history: History; kills: number }> {
  const seed = Random.seed()
  console.log(`PARTYD_TEST_SEED=${seed}`)
  const random = new Random(seed)
  const location = join(locations.create(), 'data')
  const records = locations.create('records-')
  mkdirSync(location)
  const files = Array.from({ length: CLIENTS + 1 }, (_, client) => join(records, `${client}`))
  for (const file of files) writeFileSync(file, '')

  const args = preloads.flatMap((name) => ['--import', harnessFile(name).href])
  const start = (client: number): Program => {
    const run = {
      file: files[client],
      client,
      lanes: LANES,
      keys: KEYS,
      seed: random.below(0x7fff_ffff)
    }
    const source = `const { run } = await import(${JSON.stringify(harnessFile('recording-client.js').href)})
await run(new PartyLevel(location, ${JSON.stringify({ spawn: { args }, connectTimeoutMs: 100_000 })}), ${JSON.stringify(run)})`
    const program = new Program(source, { args: [location], timeoutMs: 220_000 })
    programs.push(program)
    return program
  }

  const clients = Array.from({ length: CLIENTS }, (_, client) => start(client))
  const killer = new Killer(location, livesMs, random)
  const startedAt = Date.now()
  await killer.run(() => killer.kills >= kills / 2 && Date.now() - startedAt >= ms / 2)
  // A client that dies leaves operations of which nobody knows how they ended.
  clients[0]?.child.kill('SIGKILL')
  clients[0] = start(CLIENTS)
  await killer.run(() => killer.kills >= kills && Date.now() - startedAt >= ms)
  const loadMs = Date.now() - startedAt

  for (const { child } of clients) child.kill('SIGTERM')
  for (const { finished } of clients) {
    const { code, signal, stderr } = await finished
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' })
  }
  files.push(await readEverything(location, join(records, 'last')))
  const history = readHistory(files)
  console.log(
    `${history.operations} operations in ${loadMs} ms, ${killer.kills} kills, ${history.pending} without an end, errors ${JSON.stringify(history.errors)}`
  )
  return { history, kills: killer.kills }
}

function harnessFile(name: string): URL {
  return pathToFileURL(fileURLToPath(new URL(`../harness/${name}`, import.meta.url)))
}

/** Kills daemons soon or late after they have begun to serve. */
class Killer {
  kills = 0
  readonly #location: string
  readonly #livesMs: readonly number[]
  readonly #random: Random
  #last: number | undefined

  constructor(location: string, livesMs: readonly number[], random: Random) {
    this.#location = location
    this.#livesMs = livesMs
    this.#random = random
  }

  async run(isOver: () => boolean): Promise<void> {
    const deadline = Date.now() + 100_000
    while (!isOver()) {
      if (Date.now() > deadline) throw new Error(`Only ${this.kills} kills in time`)
      await sleep(5)
      const pid = publishedPid(this.#location)
      // What the one just killed has published stays until the next one publishes.
      if (pid === undefined || pid === this.#last || !isAlive(pid)) continue
      await sleep(this.#random.below(this.#random.pick(this.#livesMs)))
      process.kill(pid, 'SIGKILL')
      this.#last = pid
      this.kills++
    }
  }
}

/** The end of the history: what is in the database when all is over. */
async function readEverything(location: string, file: string): Promise<string> {
  const db = new PartyLevel(location)
  const at = Number(process.hrtime.bigint())
  const values = await db.getMany([...KEYS])
  await db.close()
  const lines = [
    { id: 'last', at, reads: KEYS },
    {
      id: 'last',
      at: Number(process.hrtime.bigint()),
      values: values.map((value) => value ?? null)
    }
  ]
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return file
}

/** The keys whose histories cannot be put in order, each with the place where that shows. */
function findConflicts({ byKey }: History): string[] {
  const startedAt = Date.now()
  const deadline = startedAt + 90_000
  const conflicts: string[] = []
  let steps = 0
  for (const [key, operations] of byKey) {
    const verdict = checkRegister(operations, deadline)
    steps += verdict.steps
    if (!verdict.isLinearizable) conflicts.push(`${key}: ${verdict.conflict}`)
  }
  console.log(
    `${byKey.size} keys checked in ${Date.now() - startedAt} ms and ${steps} steps, ${conflicts.length} without an order`
  )
  return conflicts
}
