// Workers of node:cluster that share the sessions of their visitors: whichever worker a visitor is
// sent to knows what the others were told. Serves, visits itself a few times, and ends.
//
//   $ node cluster-workers.js
//   Worker 2 logs in ada
//   Worker 1 greets ada
//   Worker 3 greets ada
//   ...

import cluster from 'node:cluster'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const WORKERS = 3

if (cluster.isPrimary) await lead()
else serve()

/** Starts the workers, and plays the visitors. */
async function lead() {
  const workers = Array.from({ length: WORKERS }, () => cluster.fork())
  const listening = await Promise.all(workers.map((worker) => once(worker, 'listening')))
  const [{ port }] = listening[0]
  for (const name of ['ada', 'grace', 'alan']) {
    const session = await ask(port, `/login?name=${name}`)
    for (let visit = 0; visit < WORKERS; visit++) await ask(port, `/?session=${session}`)
  }
  cluster.disconnect()
}

async function ask(port, path) {
  // A connection of its own for each visit, as the cluster hands out connections.
  const response = await fetch(`http://localhost:${port}${path}`, {
    headers: { connection: 'close' }
  })
  console.log(response.headers.get('x-did'))
  return response.text()
}

/** What each worker does. Opening the database is all that is special about it. */
function serve() {
  const location = process.argv[2] ?? fileURLToPath(new URL('data', import.meta.url))
  const db = new PartyLevel(location)
  const sessions = db.sublevel('sessions', { valueEncoding: 'json' })

  const server = createServer(async ({ url }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    if (pathname === '/login') {
      const id = randomUUID()
      const name = searchParams.get('name')
      await sessions.put(id, { name, since: Date.now() })
      response.setHeader('x-did', `Worker ${cluster.worker.id} logs in ${name}`)
      response.end(id)
    } else {
      const session = await sessions.get(searchParams.get('session') ?? '')
      response.setHeader('x-did', `Worker ${cluster.worker.id} greets ${session?.name ?? 'nobody'}`)
      response.end()
    }
  })
  server.listen(0)
}
