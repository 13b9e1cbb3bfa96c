// How long clients wait when their daemon is killed, and how long the first operation takes on a
// cold location, beside the time that Node itself takes to boot:
//   node test/benchmark/respawn.js [rounds]

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'

const ROUNDS = Number(process.argv[2] ?? 20)
const CLIENTS = 10
const HERE = new URL('.', import.meta.url)

const COLD_CLIENT = `import { PartyLevel } from '@partyd/client'
const db = new PartyLevel(process.argv[1], { idleTimeoutMs: 0 })
await db.put('key', 'value')
console.log('done')
await db.close()`

const times = { boot: [], respawn: [], cold: [] }
for (let round = 0; round < ROUNDS; round++) {
  times.boot.push(await timeBoot())
  times.respawn.push(await timeRespawn())
  times.cold.push(await timeColdStart())
}
report()

async function timeBoot() {
  const startedAt = performance.now()
  await once(spawn(process.execPath, ['-e', '0']), 'exit')
  return performance.now() - startedAt
}

/** From SIGKILL to the next operation of a client that waits, with others connected. */
async function timeRespawn() {
  const location = mkdtempSync(join(tmpdir(), 'partyd-respawn-'))
  const clients = Array.from({ length: CLIENTS }, () => new PartyLevel(location))
  await Promise.all(clients.map((db) => db.put('key', 'value')))
  await sleep(100)
  process.kill(JSON.parse(readFileSync(join(location, 'partyd.json'), 'utf8')).pid, 'SIGKILL')
  const startedAt = performance.now()
  await clients[0].put('key', 'value')
  const ms = performance.now() - startedAt
  await Promise.all(clients.map((db) => db.close()))
  await PartyLevel.stop(location)
  rmSync(location, { recursive: true })
  return ms
}

/** From the start of a client's process to its first operation, with no daemon there. */
async function timeColdStart() {
  const location = mkdtempSync(join(tmpdir(), 'partyd-cold-'))
  const startedAt = performance.now()
  const args = ['--input-type=module', '--eval', COLD_CLIENT, '--', location]
  const client = spawn(process.execPath, args, { cwd: HERE, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(client.stdout, 'data')
  const ms = performance.now() - startedAt
  await once(client, 'exit')
  await PartyLevel.stop(location)
  rmSync(location, { recursive: true })
  return ms
}

function report() {
  const boot = percentile(times.boot, 0.5)
  const row = (name, list, allowed) => ({
    what: name,
    'median ms': Math.round(percentile(list, 0.5)),
    '99th percentile ms': Math.round(percentile(list, 0.99)),
    'median beyond Node’s boot': Math.round(percentile(list, 0.5) - allowed)
  })
  console.table([
    row('node -e 0', times.boot, boot),
    row(`next operation after SIGKILL, ${CLIENTS} clients`, times.respawn, boot),
    row('first operation on a cold location', times.cold, 2 * boot)
  ])
}

function percentile(list, share) {
  const sorted = [...list].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}
