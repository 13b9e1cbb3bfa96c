// Preloaded into a daemon: it dies by SIGKILL at a chosen moment of its work on the database, is
// slow at writing, or has a clock of its own, and notes each key it has written. The product knows
// nothing of it.

import { appendFileSync, closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'

const config = JSON.parse(process.env['PARTYD_TEST_MORTAL_DAEMON'] ?? '{}')
const { ClassicLevel } = createRequire(process.argv[1])('classic-level')

/** Only the first one that comes here dies, if there is a file to tell by. */
function die() {
  if (config.marker !== undefined) {
    try {
      closeSync(openSync(config.marker, 'wx'))
    } catch {
      return // Somebody has died already.
    }
  }
  process.kill(process.pid, 'SIGKILL')
}

const { _chainedBatch: createBatch, _iterator: createIterator } = ClassicLevel.prototype

ClassicLevel.prototype._chainedBatch = function () {
  const batch = createBatch.call(this)
  const keys = []
  // The daemon goes past abstract-level's checks.
  const { _put: put, _del: del, _write: write } = batch
  batch._put = function (key, ...rest) {
    keys.push(String(key))
    return put.call(this, key, ...rest)
  }
  batch._del = function (key, ...rest) {
    keys.push(String(key))
    return del.call(this, key, ...rest)
  }
  batch._write = async function (...args) {
    const isDeadly = keys.includes(config.key)
    if (isDeadly && config.at === 'before') die()
    if (config.writeMs !== undefined) await sleep(config.writeMs)
    await write.apply(this, args)
    if (config.batches !== undefined) appendFileSync(config.batches, 'batch\n')
    if (config.writes !== undefined) {
      const visible = keys.filter((key) => !key.includes('partyd'))
      appendFileSync(config.writes, visible.map((key) => `${key}\n`).join(''))
    }
    if (isDeadly && config.at === 'after') die()
  }
  return batch
}

for (const name of ['_get', '_getSync', '_getMany']) {
  const read = ClassicLevel.prototype[name]
  ClassicLevel.prototype[name] = function (key, ...rest) {
    const keys = Array.isArray(key) ? key : [key]
    if (config.at === 'read' && keys.some((one) => String(one) === config.key)) die()
    return read.call(this, key, ...rest)
  }
}

ClassicLevel.prototype._iterator = function (options) {
  if (config.at === 'scan' && String(options.gte) === config.key) die()
  return createIterator.call(this, options)
}

if (config.clockMs !== undefined) {
  const { now } = Date
  Date.now = () => now() + config.clockMs
}
if (config.clockJumpsMs !== undefined) {
  const { now } = Date
  let jump = 0
  Date.now = () => now() + jump
  setInterval(() => {
    jump = jump > 0 ? -config.clockJumpsMs : config.clockJumpsMs
  }, 40).unref()
}
