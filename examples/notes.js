// A command-line tool beside a running server, on the same data: with LevelDB alone the tool would
// have to wait until the server is stopped.
//
//   $ node notes.js serve &
//   Notes at http://localhost:8080
//   $ node notes.js add "Buy milk"
//   $ curl http://localhost:8080
//   Buy milk
//   $ node notes.js list
//   2026-01-31T12:00:00.000Z Buy milk
//   $ node notes.js clear

import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const { DATA = fileURLToPath(new URL('data', import.meta.url)), PORT = '8080' } = process.env
const [, , command, text] = process.argv

const db = new PartyLevel(DATA)
const notes = db.sublevel('notes')

const commands = {
  /** Adds notes that are posted, and lists all to whoever asks. */
  serve() {
    const server = createServer(async (request, response) => {
      if (request.method === 'POST') {
        await add(Buffer.concat(await request.toArray()).toString())
      }
      response.end((await notes.values().all()).map((note) => `${note}\n`).join(''))
    })
    server.listen(Number(PORT), () => {
      console.log(`Notes at http://localhost:${server.address().port}`)
    })
  },

  async add() {
    await add(text)
  },

  async list() {
    for await (const [key, note] of notes.iterator()) console.log(key.split(' ')[0], note)
  },

  async clear() {
    await notes.clear()
  }
}

/** In the order of time, and apart from what somebody else adds at the same moment. */
function add(note) {
  return notes.put(`${new Date().toISOString()} ${randomUUID()}`, note)
}

if (command in commands) {
  await commands[command]()
} else {
  console.error(`Usage: node notes.js ${Object.keys(commands).join(' | ')}`)
  process.exitCode = 2
}
