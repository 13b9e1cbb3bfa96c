// A client process that reads and writes a few keys at random in many lanes at once, and writes
// down when each operation was called and when it returned. Plain JavaScript: Node runs it as it is.

import { openSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Shared by all processes of the machine: CLOCK_MONOTONIC. */
function now() {
  return Number(process.hrtime.bigint())
}

function createRandom(seed) {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) * below) / 0x1_0000_0000)
  }
}

/** @returns operations in the proportions they are wanted: what is recorded, and how it is run. */
function createChooser(db, keys, below) {
  // The first keys are chosen far more often than the last ones: that is where clients meet.
  const pick = () => below(below(keys.length) + 1)
  const put = (value) => {
    const key = keys[pick()]
    return { writes: [[key, value]], run: () => db.put(key, value) }
  }
  const get = () => {
    const key = keys[pick()]
    return { reads: [key], run: async () => [await db.get(key)] }
  }
  const del = () => {
    const key = keys[pick()]
    return { writes: [[key, null]], run: () => db.del(key) }
  }
  const batch = (value) => {
    const writes = Array.from({ length: 2 + below(5) }, () => [
      keys[pick()],
      below(4) === 0 ? null : value
    ])
    const operations = writes.map(([key, written]) =>
      written === null ? { type: 'del', key } : { type: 'put', key, value: written }
    )
    return { writes, run: () => db.batch(operations) }
  }
  const clear = () => {
    const from = pick()
    const cleared = below(4) === 0 ? keys : keys.slice(from, from + 1 + below(12))
    const writes = cleared.map((key) => [key, null])
    const range = { gte: cleared[0], lte: cleared.at(-1), reverse: below(2) === 0 }
    return { writes, run: () => db.clear(range) }
  }
  const getMany = () => {
    const reads = Array.from({ length: 1 + below(4) }, () => keys[pick()])
    return { reads, run: () => db.getMany(reads) }
  }
  const scan = () => {
    const from = pick()
    const reads = keys.slice(from, from + 1 + below(8))
    const range = { gte: reads[0], lte: reads.at(-1), reverse: below(2) === 0 }
    const run = async () => {
      const found = new Map(await db.iterator(range).all())
      return reads.map((key) => found.get(key))
    }
    return { reads, run }
  }
  return (value) => {
    const chance = below(100)
    if (chance < 38) return put(value)
    if (chance < 70) return get()
    if (chance < 78) return del()
    if (chance < 88) return batch(value)
    if (chance < 90) return clear()
    return chance < 95 ? getMany() : scan()
  }
}

/** Runs until it is told to end by SIGTERM, and then until every operation has returned. */
export async function run(db, { file, client, lanes, keys, seed }) {
  const descriptor = openSync(file, 'a')
  // At once, so that a killed process leaves all that it did.
  const record = (line) => writeSync(descriptor, `${JSON.stringify(line)}\n`)
  const below = createRandom(seed)
  const choose = createChooser(db, keys, below)
  let isOver = false
  process.on('SIGTERM', () => {
    isOver = true
  })
  const work = async (lane) => {
    for (let count = 0; !isOver; count++) {
      const id = `${client}.${lane}.${count}`
      const { run: operate, ...call } = choose(id)
      record({ id, at: now(), ...call })
      try {
        const values = await operate()
        record({ id, at: now(), values: values?.map((value) => value ?? null) })
      } catch (error) {
        record({ id, at: now(), error: error.code ?? String(error) })
      }
      await sleep(below(10))
    }
  }
  await db.open()
  await Promise.all(Array.from({ length: lanes }, (_, lane) => work(lane)))
  await db.close()
}
