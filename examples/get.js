// Prints, four times a second, what the processes that run put.js have put.

import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const location = process.argv[2] ?? fileURLToPath(new URL('data', import.meta.url))
const db = new PartyLevel(location, { valueEncoding: 'json' })

setInterval(async () => {
  console.log('a=', await db.get('a'))
}, 250)
