// Puts quads into a quadstore: who knows whom.
//
//   node quadstore-program.js <location> <name of a person> <number of acquaintances>

import { PartyLevel } from '@partyd/client'
import n3 from 'n3'
import { Quadstore } from 'quadstore'

const [, , location, person, count] = process.argv
const { namedNode, quad } = n3.DataFactory

const store = new Quadstore({ backend: new PartyLevel(location), dataFactory: n3.DataFactory })
await store.open()
for (let n = 0; n < Number(count); n++) {
  const acquaintance = namedNode(`ex://people/${person}/${n}`)
  await store.put(quad(namedNode(`ex://${person}`), namedNode('ex://knows'), acquaintance))
}
await store.close()
