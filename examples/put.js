// Puts a number every second. Start it as often as you like, and get.js beside it, in any order:
//
//   $ node put.js & node put.js & node get.js

import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const location = process.argv[2] ?? fileURLToPath(new URL('data', import.meta.url))
const db = new PartyLevel(location, { valueEncoding: 'json' })

let n = Math.floor(Math.random() * 100000)

setInterval(async () => {
  await db.put('a', n++)
}, 1000)
