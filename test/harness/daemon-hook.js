// Preloaded into daemons under test by `spawn.args`: writes down what they do to the database and
// to their endpoint, and makes them slow, deaf or careless. The product knows nothing of it.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { Server } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { binding } from './leveldb-binding.js'

const { appendFileSync, readFileSync, renameSync } = fs
const config = JSON.parse(process.env['PARTYD_TEST_DAEMON_HOOK'])
const [, , , location] = process.argv

function record(ev, fields = {}) {
  // The clock of the machine, which is the same in all processes.
  const t = Number(process.hrtime.bigint()) / 1e6
  const event = { pid: process.pid, ev, t, ...fields }
  try {
    appendFileSync(config.oracle, `${JSON.stringify(event)}\n`)
  } catch {
    // The test has removed its directory: nobody reads it any more.
  }
}

/** Stops the whole process as far as JavaScript goes: no event is handled meanwhile. */
function block(ms) {
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

record('boot')
process.on('exit', (code) => record('exit', { code }))

// The database. An interval begins when it is open and ends just before it is closed, so that two
// intervals that overlap are a fault and not a matter of who wrote first.
const { db_open: openDatabase, db_close: closeDatabase } = binding
binding.db_open = async (...args) => {
  if (config.openMs !== undefined) {
    record('opening')
    await sleep(config.openMs)
  }
  await openDatabase(...args)
  record('open')
  if (config.openedMs !== undefined) await sleep(config.openedMs)
}
binding.db_close = async (...args) => {
  if (config.closeMs !== undefined) {
    record('closing')
    await sleep(config.closeMs)
  }
  record('close')
  await closeDatabase(...args)
}

// What clients see of it.
fs.renameSync = (from, to) => {
  if (basename(from) === 'partyd.sock') {
    record('parking')
    block(config.beforeParkMs ?? 0)
    renameSync(from, to)
    record('parked')
    block(config.afterParkMs ?? 0)
    return
  }
  renameSync(from, to)
  if (basename(to) === 'partyd.sock') record('endpoint')
  if (basename(to) === 'partyd.json') {
    record('publish', { instanceId: JSON.parse(readFileSync(to, 'utf8')).instanceId })
  }
}
syncBuiltinESMExports()

// The fence.
const kill = process.kill
process.kill = (pid, signal) => {
  if (pid === process.pid && signal === 'SIGKILL') record('fence')
  return kill.call(process, pid, signal)
}

const onSignal = {
  block: () => block(config.blockMs),
  // POSIX drops a process's lock on a file when the process closes any descriptor of it.
  dropLock: () => readFileSync(join(location, 'LOCK')),
  endLate
}
process.on('SIGUSR2', () => {
  record('signal')
  onSignal[config.onSignal]()
  record('handled')
})

/** Servers that the daemon has closed, and whose real end is still to come. */
const held = []
let exitCode
if (config.onSignal === 'endLate') {
  const exit = process.exit
  process.exit = (code) => {
    exitCode = () => exit.call(process, code)
    record('lingering')
    // Nothing else keeps the process alive by now.
    setInterval(() => {}, 1_000)
    return new Promise(() => {})
  }
  const close = Server.prototype.close
  Server.prototype.close = function (...args) {
    held.push(() => close.apply(this, args))
    return this
  }
}

function endLate() {
  for (const close of held) close()
  setImmediate(exitCode)
}
