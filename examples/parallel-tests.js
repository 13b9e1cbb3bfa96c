// Tests that run in several processes at a time and import the same application, which opens its one
// database. Each worker has a sublevel of its own, so that no test sees what another one does.
//
//   $ node parallel-tests.js
//   Worker 1: 2 tests passed
//   Worker 3: 2 tests passed
//   Worker 2: 2 tests passed
//   All workers together put 6 users

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const WORKERS = 3
// The runner of your choice sets a variable of this kind: VITEST_POOL_ID, JEST_WORKER_ID, ...
const { WORKER_ID } = process.env

/** The application: somewhere else, and without a thought of tests. */
const location = process.argv[2] ?? fileURLToPath(new URL('data', import.meta.url))
const db = new PartyLevel(location)

if (WORKER_ID === undefined) await runWorkers()
else testUsers(db.sublevel(['tests', WORKER_ID], { valueEncoding: 'json' }))

/** The tests, as each worker runs them. */
function testUsers(users) {
  test('a user can be added', async () => {
    await users.put('ada', { worker: WORKER_ID })
    assert.deepEqual(await users.get('ada'), { worker: WORKER_ID })
  })

  test('users are listed in order, and only those of this test', async () => {
    await users.put('grace', { worker: WORKER_ID })
    assert.deepEqual(await users.keys().all(), ['ada', 'grace'])
  })
}

/** What a test runner does. */
async function runWorkers() {
  const tests = db.sublevel('tests')
  await tests.clear()
  const codes = await Promise.all(Array.from({ length: WORKERS }, (_, n) => runWorker(n + 1)))
  const keys = await tests.keys().all()
  console.log(`All workers together put ${keys.length} users`)
  process.exitCode = Math.max(...codes)
}

async function runWorker(id) {
  const child = spawn(
    process.execPath,
    ['--test-reporter=tap', fileURLToPath(import.meta.url), location],
    { env: { ...process.env, WORKER_ID: String(id) }, stdio: ['ignore', 'pipe', 'inherit'] }
  )
  const [output, [code]] = await Promise.all([child.stdout.toArray(), once(child, 'exit')])
  const passed = /^# pass (\d+)$/m.exec(Buffer.concat(output).toString())?.[1]
  console.log(`Worker ${id}: ${passed} tests passed`)
  return code
}
