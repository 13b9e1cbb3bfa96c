// Broken frames of every kind against the daemon, for as long as PARTYD_TEST_FUZZ_SECONDS says. It
// gives a reason and closes, or goes on; it never hangs, ends or grows. A failure prints the bytes.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isWrite, KIND, PREFACE } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { DaemonPool, type DaemonProcess, expectServing } from '../harness/daemon-pool.js'
import { areFramed, describeBytes, Mutator, type Parts, toBytes } from '../harness/mutator.js'
import { Random } from '../harness/random.js'
import { decodeObject, encodeHello, type Frame, RawClient } from '../harness/raw-client.js'
import { bodyOf, REQUESTS } from '../harness/valid-frames.js'

const fuzzMs = 1_000 * Number(process.env['PARTYD_TEST_FUZZ_SECONDS'] ?? 4)
/** How long an answer may take on a busy machine. */
const ANSWER_MS = 15_000
/** What the daemon may grow by: Node's heap, and LevelDB's write buffer and cache. */
const MEGABYTES = 150
const LAST_ID = 0x1234_5678

const pool = new DaemonPool()
afterEach(() => pool.reap())

/** One list of frames for each kind, and one with all of them. */
function createSessionCorpus(): Parts[][] {
  const requests = REQUESTS.map(([name, , writeBody], index) => ({
    kind: KIND[name],
    id: index + 1,
    body: bodyOf(writeBody)
  }))
  const others = [
    { kind: KIND.ping, id: 50, body: Buffer.alloc(0) },
    { kind: KIND.settled, id: 0, body: bodyOf((writer) => writer.uint53(5)) }
  ]
  return [...requests, ...others].map((frame) => [frame]).concat([requests])
}

const CONTROL_CORPUS: Parts[][] = [
  [{ kind: KIND.ping, id: 1, body: Buffer.alloc(0) }],
  [{ kind: KIND.status, id: 2, body: Buffer.alloc(0) }]
]

function createHelloCorpus(): Parts[][] {
  const session = { sessionId: randomBytes(16).toString('hex'), attempt: 1, generation: null }
  const hellos = [
    encodeHello('once'),
    encodeHello('control'),
    encodeHello('retry', { ...session, settledThrough: 0, sentThrough: 0 })
  ]
  return hellos.map((hello) => [{ kind: KIND.hello, id: 0, body: hello.subarray(9) }])
}

/** The writes with the numbers they should have: else hardly one would get past that check. */
function renumber(frames: readonly Parts[]): Parts[] {
  let sequence = 0
  return frames.map((frame) => {
    if (!isWrite(frame.kind) || frame.body.length < 16) return frame
    const body = Buffer.from(frame.body)
    body.writeUInt32LE(++sequence)
    body.writeUInt32LE(0, 4)
    return { ...frame, body }
  })
}

/** What came back, without what differs each time. */
function outcomeOf(answers: readonly Frame[]): string {
  const texts = answers.map((answer) => {
    if (answer.kind !== KIND.error) return `${answer.kind}`
    const { code, message } = decodeObject(answer)
    return `${code} ${String(message).replace(/[0-9a-f]*\d[0-9a-f]*/g, '#')}`
  })
  return [...new Set(texts)].sort().join()
}

/** @throws when it takes too long. */
async function inTime<T>(promise: Promise<T>, what: string): Promise<T> {
  const timeout = sleep(ANSWER_MS, undefined, { ref: false }).then(() => {
    throw new Error(`${what} took more than ${ANSWER_MS} ms`)
  })
  return Promise.race([promise, timeout])
}

/** Sends bytes of which nothing is expected but the end of the connection. */
async function sendAndEnd(client: RawClient, bytes: Buffer): Promise<Frame[]> {
  client.send(bytes)
  client.socket.end()
  return inTime(client.rest(), 'the end of the connection')
}

/** Either all is answered, or the connection has ended with a reason. */
async function sendFramed(client: RawClient, frames: readonly Parts[]): Promise<Frame[]> {
  const last = { kind: KIND.ping, id: LAST_ID, body: Buffer.alloc(0) }
  client.send(toBytes([...frames, last]))
  const answers: Frame[] = []
  for (;;) {
    const answer = await inTime(client.next(), 'an answer')
    if (answer === undefined) break
    answers.push(answer)
    if (answer.id === LAST_ID) break
  }
  client.socket.destroy()
  const reason = answers.at(-1)
  const isAnswered = reason?.id === LAST_ID
  const isSettled = frames.some(({ kind }) => kind === KIND.settled)
  if (isAnswered || isSettled) return answers
  expect(reason, 'the connection was closed without a reason').toMatchObject({
    kind: KIND.error,
    id: 0
  })
  expect(decodeObject(reason)['code']).toBe('PARTYD_PROTOCOL')
  return answers
}

/** Says a proper hello, as one of the modes. */
async function greet(daemon: DaemonProcess, random: Random): Promise<RawClient> {
  if (random.chance(0.7)) return RawClient.open(daemon.endpoint)
  const client = await RawClient.connect(daemon.endpoint)
  const sessionId = random.bytes(16).toString('hex')
  const session = { sessionId, attempt: 1, generation: null, settledThrough: 0, sentThrough: 0 }
  await client.greet('retry', session)
  return client
}

interface Target {
  readonly name: string
  /** Of the time. */
  readonly share: number
  readonly corpus: Parts[][]
  run(daemon: DaemonProcess, random: Random, frames: readonly Parts[]): Promise<Frame[]>
}

const TARGETS: readonly Target[] = [
  {
    name: 'a session',
    share: 0.7,
    corpus: createSessionCorpus(),
    async run(daemon, random, frames) {
      const sent = random.chance(0.8) ? renumber(frames) : frames
      const client = await greet(daemon, random)
      return areFramed(sent) ? sendFramed(client, sent) : sendAndEnd(client, toBytes(sent))
    }
  },
  {
    name: 'a hello',
    share: 0.2,
    corpus: createHelloCorpus(),
    async run(daemon, random, frames) {
      const client = await RawClient.connect(daemon.endpoint)
      const bytes = Buffer.concat([PREFACE, toBytes(frames)])
      const isWhole = random.chance(0.8)
      return sendAndEnd(client, isWhole ? bytes : bytes.subarray(0, random.below(bytes.length)))
    }
  },
  {
    name: 'a control connection',
    share: 0.1,
    corpus: CONTROL_CORPUS,
    async run(daemon, _random, frames) {
      // A stop would be obeyed, also one that lies in the bytes of another frame.
      const sent = frames.filter(({ kind, length }) => kind !== KIND.stop && length === undefined)
      return sendFramed(await RawClient.open(daemon.endpoint, 'control'), sent)
    }
  }
]

describe.each(TARGETS)('frames of $name that are broken in any way', ({ share, corpus, run }) => {
  const seed = Random.seed()
  const ms = fuzzMs * share

  it(`do not harm the daemon (seed ${seed})`, { timeout: ms + 60_000 }, async () => {
    const random = new Random(seed)
    const mutator = new Mutator(random, corpus)
    const daemon = await pool.start()
    const before = daemon.memoryMegabytes
    const endsAt = Date.now() + ms
    let round = 0
    for (; Date.now() < endsAt; round++) {
      const frames = mutator.next()
      try {
        mutator.learn(frames, outcomeOf(await run(daemon, random, frames)))
        if (round % 500 === 0) await expectServing(daemon)
        expect(daemon.isRunning, daemon.complaints).toBe(true)
        expect(daemon.memoryMegabytes).toBeLessThan(before + MEGABYTES)
      } catch (cause) {
        throw new Error(describeBytes(seed, round, toBytes(frames)), { cause })
      }
    }
    await expectServing(daemon)
    const growth = Math.round(daemon.memoryMegabytes - before)
    console.log(`${round} rounds, ${mutator.corpusSize} in the corpus, ${growth} MB more`)
  })
})
