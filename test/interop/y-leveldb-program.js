// Edits a document that y-leveldb keeps, letter by letter, as an editor's server does.
//
//   node y-leveldb-program.js <location> <name of the document> <text>

import { PartyLevel } from '@partyd/client'
import { LeveldbPersistence } from 'y-leveldb'
import * as Y from 'yjs'

const [, , location, name, text] = process.argv

const persistence = new LeveldbPersistence(location, { Level: PartyLevel })
const doc = new Y.Doc()
const stored = []
doc.on('update', (update) => stored.push(persistence.storeUpdate(name, update)))

for (const [index, letter] of [...text].entries()) {
  doc.getText('body').insert(index, letter)
  // Not awaited, as in y-websocket; but the event loop turns between the strokes of a key.
  await new Promise((resolve) => setImmediate(resolve))
}
doc.getMap('properties').set('length', text.length)
const clocks = await Promise.all(stored)
await persistence.setMeta(name, 'author', process.pid)
console.log(JSON.stringify(clocks))
