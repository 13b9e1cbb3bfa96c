// Shows partyd in a few seconds: four processes that put and one that gets, started in random order
// on one location, none of which notices that the daemon is killed while they run.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const location = await mkdtemp(join(tmpdir(), 'partyd-demo-'))
const children = []

// Ctrl-C reaches the children too; what is left to do is below, under `finally`.
let isInterrupted = false
process.once('SIGINT', () => {
  isInterrupted = true
})

try {
  const getter = startAll(['put.js', 'put.js', 'put.js', 'put.js', 'get.js'])
  let count = 0
  for await (const line of createInterface({ input: getter.stdout })) {
    // Until the first put there is nothing to get.
    if (line === 'a= undefined') continue
    console.log(line)
    count++
    if (count === 8) await killDaemon()
    if (count === 20) break
  }
  if (count < 20 && !isInterrupted) throw new Error('get.js ended too early')
} finally {
  await Promise.all(children.map(end))
  await PartyLevel.stop(location)
  await rm(location, { recursive: true })
}
console.log('The processes have ended, and the daemon is stopped.')

/** Starts programs of this folder in random order; returns the one that gets. */
function startAll(programs) {
  const order = programs
    .map((program) => ({ program, rank: Math.random() }))
    .sort((one, other) => one.rank - other.rank)
  let getter
  for (const { program } of order) {
    const path = fileURLToPath(new URL(program, import.meta.url))
    const isGetter = program === 'get.js'
    const stdio = ['ignore', isGetter ? 'pipe' : 'inherit', 'inherit']
    const child = spawn(process.execPath, [path, location], { stdio })
    console.log(`$ node ${program} &  [${child.pid}]`)
    children.push(child)
    if (isGetter) getter = child
  }
  return getter
}

async function killDaemon() {
  const { pid } = JSON.parse(await readFile(join(location, 'partyd.json'), 'utf8'))
  process.kill(pid, 'SIGKILL')
  console.log(`$ kill -9 ${pid}  # the daemon`)
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill()
  await once(child, 'exit')
}
