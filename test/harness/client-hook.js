// Preloaded into client programs: makes the file system and the spawning of daemons fail, wait, or
// be the last thing a client does. The product knows nothing of it.

import childProcess from 'node:child_process'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { basename } from 'node:path'

const config = JSON.parse(process.env['PARTYD_TEST_CLIENT_HOOK'])
const isSpawnLock = (path) => basename(String(path)) === 'partyd.spawn.lock'

const { mkdir, rmdir } = fs
if (config.mkdirError !== undefined) {
  fs.mkdir = (path, ...rest) => {
    if (!isSpawnLock(path)) return mkdir(path, ...rest)
    console.log('mkdir refused')
    const error = Object.assign(new Error(`${config.mkdirError}: mkdir`), {
      code: config.mkdirError
    })
    process.nextTick(rest.at(-1), error)
  }
}

// The first removal of a lock that looks abandoned waits for a signal: what was seen is old by then.
if (config.parkRmdir) {
  let isFirst = true
  fs.rmdir = (path, ...rest) => {
    if (!isSpawnLock(path) || !isFirst) return rmdir(path, ...rest)
    isFirst = false
    process.once('SIGUSR2', () => rmdir(path, ...rest))
    console.log('parked')
  }
}

const { spawn } = childProcess
if (config.spawn === 'hang') {
  childProcess.spawn = () => {
    console.log('about to spawn')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  }
}
if (config.spawn === 'die') {
  childProcess.spawn = (...args) => {
    spawn(...args)
    process.kill(process.pid, 'SIGKILL')
  }
}
syncBuiltinESMExports()
