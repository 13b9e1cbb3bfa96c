// A queue of jobs between processes, made of db.atomic(). Each job is done by one worker, also when a
// worker is killed with a job in hand: another takes it when its time is up.
//
//   $ node job-queue.js
//   4242 takes job 01
//   4243 takes job 02
//   $ kill -9 4242
//   4243 has done job 02
//   ...
//   4243 takes job 01
//   ...
//   12 jobs are done, each of them once

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const JOBS = 12
const WORKERS = 3
/** How long a worker may take; then it is taken for dead. */
const JOB_MS = 1000

const location = process.argv[2] ?? fileURLToPath(new URL('data', import.meta.url))
const db = new PartyLevel(location)
const jobs = db.sublevel('jobs', { valueEncoding: 'json' })
const results = db.sublevel('results', { valueEncoding: 'json' })

if (process.argv[3] === 'work') await work()
else await lead()

/** Takes jobs until there are none left. */
async function work() {
  for (;;) {
    const waiting = await jobs.iterator().all()
    if (waiting.length === 0) return
    for (const [key, job] of waiting) {
      const mine = await take(key, job)
      if (mine !== undefined) await finish(key, mine, await compute(mine))
    }
    await sleep(50)
  }
}

/** The job as it is when it is ours; undefined if somebody else has it or was faster. */
async function take(key, job) {
  if (job.until > Date.now()) return undefined
  const mine = { ...job, worker: process.pid, until: Date.now() + JOB_MS }
  const isMine = await jobs.atomic().check(key, job).put(key, mine).commit()
  if (isMine) console.log(`${process.pid} takes job ${key}`)
  return isMine ? mine : undefined
}

/** The result, and the end of the job, in one step; unless it took too long and is somebody else's. */
async function finish(key, mine, result) {
  const isDone = await jobs
    .atomic()
    .check(key, mine)
    .del(key)
    .check(key, undefined, { sublevel: results })
    .put(key, { result, worker: process.pid }, { sublevel: results })
    .commit()
  if (isDone) console.log(`${process.pid} has done job ${key}`)
}

async function compute({ number }) {
  await sleep(100)
  return number * number
}

/** Fills the queue, starts the workers and kills the one that is first to have a job. */
async function lead() {
  await Promise.all([jobs.clear(), results.clear()])
  const numbers = Array.from({ length: JOBS }, (_, n) => n + 1)
  await jobs.batch(
    numbers.map((number) => ({
      type: 'put',
      key: String(number).padStart(2, '0'),
      value: { number, until: 0 }
    }))
  )
  const workers = Array.from({ length: WORKERS }, startWorker)
  const { child } = await Promise.race(workers.map(hasJob))
  child.kill('SIGKILL')
  console.log(`$ kill -9 ${child.pid}`)
  await Promise.all(workers.map(({ ended }) => ended))

  const done = await results.iterator().all()
  const isRight = done.every(([key, { result }]) => result === Number(key) ** 2)
  console.log(`${done.length} jobs are done, ${isRight ? 'each of them once' : 'but not well'}`)
}

async function hasJob(worker) {
  await once(worker.lines, 'line')
  return worker
}

function startWorker() {
  const path = fileURLToPath(import.meta.url)
  const child = spawn(process.execPath, [path, location, 'work'], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines = createInterface({ input: child.stdout }).on('line', (line) => console.log(line))
  return { child, lines, ended: once(child, 'close') }
}
