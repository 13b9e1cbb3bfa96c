// Preloaded into a daemon: it dies by SIGKILL at a chosen moment of its work on the database, is
// slow at writing, or has a clock of its own, and notes each key it has written. The product knows
// nothing of it.

import { appendFileSync, closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { binding, interceptBatches } from './leveldb-binding.js'

const config = JSON.parse(process.env['PARTYD_TEST_MORTAL_DAEMON'] ?? '{}')

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

interceptBatches(async (keys, write) => {
  const isDeadly = keys.includes(config.key)
  if (isDeadly && config.at === 'before') die()
  if (config.writeMs !== undefined) await sleep(config.writeMs)
  await write()
  if (config.batches !== undefined) appendFileSync(config.batches, 'batch\n')
  if (config.writes !== undefined) {
    const visible = keys.filter((key) => !key.includes('partyd'))
    appendFileSync(config.writes, visible.map((key) => `${key}\n`).join(''))
  }
  if (isDeadly && config.at === 'after') die()
})

const { db_get_sync: getSync, db_get: get, db_get_many: getMany } = binding

function dieAtRead(...keys) {
  if (config.at === 'read' && keys.some((key) => String(key) === config.key)) die()
}

binding.db_get_sync = (database, flags, key, ...rest) => {
  dieAtRead(key)
  return getSync(database, flags, key, ...rest)
}
binding.db_get = (database, flags, key, ...rest) => {
  dieAtRead(key)
  return get(database, flags, key, ...rest)
}
binding.db_get_many = (database, keys, ...rest) => {
  dieAtRead(...keys)
  return getMany(database, keys, ...rest)
}

const { iterator_init: createIterator } = binding

binding.iterator_init = (database, state, options, ...rest) => {
  if (config.at === 'scan' && String(options.gte) === config.key) die()
  return createIterator(database, state, options, ...rest)
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
