// A client whose daemon answers wrongly in any way, for as long as PARTYD_TEST_FUZZ_SECONDS says:
// every operation settles, by an answer or with a code. A failure prints what the daemon said.

import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { FrameReader, KIND, PREFACE, parseHello } from '@partyd/shared'
import { afterEach, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Locations } from '../harness/locations.js'
import { areFramed, describeBytes, Mutator, type Parts, toBytes } from '../harness/mutator.js'
import { Random } from '../harness/random.js'
import { ANSWERS, bodyOf, welcomeTo } from '../harness/valid-frames.js'

const fuzzMs = 1_000 * Number(process.env['PARTYD_TEST_FUZZ_SECONDS'] ?? 4)
/** Connections whose bytes are kept: the last ones before a failure. */
const KEPT = 6

const clients = new Clients()
const locations = new Locations()
const servers: Server[] = []
afterEach(async () => {
  await clients.end()
  for (const server of servers.splice(0)) server.close()
  await locations.reap()
})

const BODIES = new Map<number, Buffer>(
  ANSWERS.map(([name, writeBody]) => [KIND[name], bodyOf(writeBody)])
)

/** What an honest daemon would answer to a request of that kind. */
const ANSWER_TO: Readonly<Record<number, number>> = {
  [KIND.get]: KIND.value,
  [KIND.getMany]: KIND.values,
  [KIND.has]: KIND.presence,
  [KIND.hasMany]: KIND.presence,
  [KIND.iteratorOpen]: KIND.entries,
  [KIND.iteratorNext]: KIND.entries,
  [KIND.ping]: KIND.info
}

function answerTo(kind: number, id: number): Parts {
  const answer = ANSWER_TO[kind] ?? KIND.done
  const body = BODIES.get(answer) as Buffer
  // One key was asked for, and two are in the body.
  return { kind: answer, id, body: kind === KIND.has ? body.subarray(0, 1) : body }
}

/** One connection of a daemon that is honest, or is not. */
class Liar {
  /** Everything it has said. */
  readonly said: Buffer[] = []
  readonly #socket: Socket
  readonly #random: Random
  readonly #mutator: Mutator
  readonly #isHonest: boolean
  readonly #reader = new FrameReader()
  #prefaceLeft = PREFACE.length

  constructor(socket: Socket, random: Random, mutator: Mutator) {
    this.#socket = socket
    this.#random = random
    this.#mutator = mutator
    this.#isHonest = random.chance(0.4)
    socket.on('error', () => {}) // The client closes on a liar, in the middle of its words.
    socket.on('data', (bytes) => this.#onData(bytes))
    this.#write(PREFACE)
  }

  #onData(bytes: Buffer): void {
    const preface = Math.min(this.#prefaceLeft, bytes.length)
    this.#prefaceLeft -= preface
    this.#reader.append(bytes.subarray(preface))
    while (this.#reader.next()) this.#onFrame()
  }

  #onFrame(): void {
    const { kind, id } = this.#reader
    if (kind === KIND.hello) {
      const body = Buffer.from(JSON.stringify(welcomeTo(parseHello(this.#reader.tailText()))))
      return this.#say([{ kind: KIND.welcome, id: 0, body }], 0.1)
    }
    if (kind === KIND.settled) return void this.#socket.end()
    if (kind === KIND.iteratorSeek || kind === KIND.iteratorClose) return
    this.#say([answerTo(kind, id)], 0.3)
  }

  #say(answers: readonly Parts[], lies: number): void {
    if (this.#isHonest || !this.#random.chance(lies)) return this.#write(toBytes(answers))
    const [name] = this.#random.pick(ANSWERS)
    const more = { kind: KIND[name], id: this.#random.below(8), body: BODIES.get(KIND[name]) }
    const isMore = this.#random.chance(0.3) && more.body !== undefined
    const frames = this.#mutator.mutate(isMore ? [...answers, more as Parts] : answers)
    this.#write(toBytes(frames))
    // Whoever waits for the rest of a frame, or for an answer that is lost, shall not wait for long.
    if (areFramed(frames)) setTimeout(() => this.#socket.end(), 30)
    else this.#socket.end()
  }

  #write(bytes: Buffer): void {
    this.said.push(bytes)
    if (!this.#socket.writableEnded) this.#socket.write(bytes)
  }
}

/** Prints the number of each round, and ends with 1 when something does not settle as it should. */
const CLIENT = `
const endsAt = performance.now() + Number(process.argv[2])
const settle = async (promises) => {
  let timer
  const late = new Promise((resolve) => { timer = setTimeout(resolve, 20_000, 'late') })
  const results = await Promise.race([Promise.allSettled(promises), late])
  clearTimeout(timer)
  if (results === 'late') throw new Error('an operation did not settle')
  for (const { reason } of results) {
    if (reason !== undefined && !/^(PARTYD|LEVEL)_/.test(reason.code)) throw reason
  }
}
let round = 0
for (; performance.now() < endsAt; round++) {
  console.log('round ' + round)
  const db = new PartyLevel(location, {
    retry: round % 2 === 0, autospawn: false, connectTimeoutMs: 1_000, retryTimeoutMs: 500
  })
  db.on('warning', () => {})
  await settle([db.open()])
  if (db.status !== 'open') continue
  const iterator = db.iterator({ limit: 10 })
  iterator.seek('k')
  await settle([
    db.put('a', '1'), db.get('a'), db.getMany(['a', 'b']), db.has('a'), db.hasMany(['a', 'b']),
    db.del('b'), db.batch([{ type: 'put', key: 'c', value: '2' }]), iterator.nextv(5),
    db.keys({ reverse: true }).all(), db.values({ gt: 'a' }).next(), db.clear({ lt: 'b' })
  ])
  await settle([iterator.close(), db.close()])
}
console.log(JSON.stringify({ rounds: round, megabytes: process.memoryUsage().rss / 1048576 }))
process.exit()`

it('a client survives a daemon that lies in any way', { timeout: fuzzMs + 60_000 }, async () => {
  const seed = Random.seed()
  const random = new Random(seed)
  const corpus = [...BODIES].map(([kind, body]) => [{ kind, id: 1, body }])
  const mutator = new Mutator(random, corpus)
  const location = locations.create()
  const liars: Liar[] = []
  let connections = 0
  const server = createServer((socket) => {
    connections++
    liars.push(new Liar(socket, random, mutator))
    if (liars.length > KEPT) liars.shift()
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(join(location, 'partyd.sock'), resolve))
  const program = clients.start(CLIENT, {
    args: [location, `${fuzzMs}`],
    timeoutMs: fuzzMs + 50_000
  })
  const { code, stdout, stderr } = await program.finished
  const said = liars.map((liar) => describeBytes(seed, connections, Buffer.concat(liar.said)))
  expect({ code, stderr }, said.join('\n')).toEqual({ code: 0, stderr: '' })
  const { rounds, megabytes } = JSON.parse(stdout.trim().split('\n').at(-1) as string)
  console.log(`seed ${seed}: ${rounds} rounds, ${connections} connections, ${megabytes} MB`)
  expect(megabytes).toBeLessThan(400)
})
