// Nothing grows, however often clients come and go: no descriptors, files, memory or processes, of
// clients and of daemons. Fault test 48; PARTYD_TEST_SOAK_MINUTES makes it as long as one likes.

import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { describe, expect, it } from 'vitest'
import { findDaemons, publishedPid, until } from '../harness/locations.js'
import { ownMegabytes } from '../harness/memory.js'
import type { Program } from '../harness/program.js'
import { setUp } from '../harness/set-up.js'

const minutes = Number(process.env['PARTYD_TEST_SOAK_MINUTES'] ?? 0)
const soakMs = minutes > 0 ? minutes * 60_000 : 6_000
const TIMEOUT_MS = soakMs + 60_000

const { clients, commands, locations } = setUp()

/** What a client says of itself, a line each time; `useDatabase` and `say` are for the programs below. */
const CLIENT = `
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
const endsAt = performance.now() + Number(process.argv[2])
async function useDatabase(options, round) {
  const db = new PartyLevel(location, options)
  await db.put('key ' + round % 100, 'v'.repeat(1000))
  await db.batch([{ type: 'put', key: 'a', value: '1' }, { type: 'del', key: 'b' }])
  if (await db.get('a') !== '1') throw new Error('lost')
  for await (const _ of db.iterator({ limit: 20 })) if (round % 2) break
  await db.clear({ gte: 'key 50', lt: 'key 55' })
  await db.close()
}
function say(fields = {}) {
  gc()
  const heap = process.memoryUsage().heapUsed / 1048576
  console.log(JSON.stringify({ fds: readdirSync('/proc/self/fd').length, heap, ...fields }))
}`

interface ClientSample {
  readonly fds: number
  readonly heap: number
  readonly files?: readonly string[]
}

function startClient(location: string, source: string): Program {
  return clients.start(CLIENT + source, {
    args: [location, `${soakMs}`],
    nodeArgs: ['--expose-gc'],
    timeoutMs: TIMEOUT_MS
  })
}

async function samplesOf(program: Program): Promise<ClientSample[]> {
  const { code, stderr, stdout } = await program.finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const lines = stdout.trim().split('\n')
  return lines.map((line) => JSON.parse(line) as ClientSample)
}

/** The last third is no worse than the middle one; in the first, caches fill. */
function expectNoGrowth(name: string, samples: readonly number[], tolerance: number): void {
  const third = Math.floor(samples.length / 3)
  expect(third, `samples of ${name}`).toBeGreaterThanOrEqual(3)
  const before = Math.max(...samples.slice(third, 2 * third))
  const after = Math.max(...samples.slice(-third))
  console.log(`${name}: ${before.toFixed(1)}, then ${after.toFixed(1)}`)
  expect(after, name).toBeLessThanOrEqual(before + tolerance)
}

function expectNoClientGrowth(samples: readonly ClientSample[]): void {
  const fds = samples.map((sample) => sample.fds)
  const heap = samples.map((sample) => sample.heap)
  expectNoGrowth('descriptors of the client', fds, 2)
  expectNoGrowth('MB of the client', heap, 2)
}

// 48
describe(`for ${soakMs / 1_000} s nothing grows`, () => {
  it('when a daemon is started for each visit and ends behind it', {
    timeout: TIMEOUT_MS
  }, async () => {
    const location = locations.create()
    const program = startClient(
      location,
      `
for (let round = 0; performance.now() < endsAt || round < 9; round++) {
  await useDatabase({ idleTimeoutMs: 0 }, round)
  // It has closed the database when it has taken this away, but for the last step.
  while (existsSync(join(location, 'partyd.json'))) await sleep(5)
  say({ files: readdirSync(location) })
}`
    )
    const samples = await samplesOf(program)
    console.log(`${samples.length} daemons, one after the other`)
    expectNoClientGrowth(samples)
    const fileCounts = samples.map(({ files = [] }) => files.length)
    expectNoGrowth('files', fileCounts, 6)
    // A lock of LevelDB's is no file of ours; neither is a socket left, nor anything temporary.
    const ours = samples.map(({ files = [] }) => files.filter((name) => /^\.|partyd/.test(name)))
    for (const names of ours) expect(names).toEqual(expect.arrayContaining(['partyd.log']))
    expect(ours.flat().filter((name) => !/^partyd\.log(\.1)?$/.test(name))).toEqual([])
    await until(() => findDaemons(location).length === 0, 'the last daemon to end')
  })

  it('when one daemon has visits all the time', { timeout: TIMEOUT_MS }, async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, [], { timeoutMs: TIMEOUT_MS })
    const visitors = startClient(
      location,
      `
for (let round = 0; performance.now() < endsAt || round < 180; round++) {
  await useDatabase({ retry: round % 4 !== 0 }, round)
  if (round % 20 === 0) say()
}`
    )
    const fds: number[] = []
    const megabytes: number[] = []
    const endsAt = Date.now() + soakMs
    let vanished = 0
    while (Date.now() < endsAt || vanished < 9) {
      // One that does not say goodbye.
      const program = clients.start(
        `const db = new PartyLevel(location)
         await db.put('vanished', 'v')
         await db.iterator().next()
         process.kill(process.pid, 'SIGKILL')`,
        { args: [location] }
      )
      expect((await program.finished).signal).toBe('SIGKILL')
      vanished++
      await sleep(20)
      fds.push(readdirSync(`/proc/${daemon.pid}/fd`).length)
      megabytes.push(ownMegabytes(daemon.pid))
    }
    const samples = await samplesOf(visitors)
    console.log(`${20 * samples.length} visits, and ${vanished} visitors that vanished`)
    expectNoClientGrowth(samples)
    // Two visitors may be there, or none.
    expectNoGrowth('descriptors of the daemon', fds, 3)
    // Node's heap takes room in steps, and LevelDB fills a write buffer and a cache: 4 and 8 MB.
    expectNoGrowth('MB of the daemon', megabytes, 24)
    expect(publishedPid(location)).toBe(daemon.pid)
    await PartyLevel.stop(location)
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(findDaemons(location)).toEqual([])
  })
})
