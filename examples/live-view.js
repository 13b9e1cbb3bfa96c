// A view that follows what other processes write, made of db.watch(). Start it, as often as you like,
// and then in another terminal change some prices:
//
//   $ node live-view.js              $ node live-view.js put apple 3
//   apple 3                          $ node live-view.js put pear 4
//   apple 3, pear 4                  $ node live-view.js del apple
//   pear 4

import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'

const { DATA = fileURLToPath(new URL('data', import.meta.url)) } = process.env
const [, , command, name, price] = process.argv

const db = new PartyLevel(DATA)
const prices = db.sublevel('prices', { valueEncoding: 'json' })

if (command === 'put') await prices.put(name, Number(price))
else if (command === 'del') await prices.del(name)
else await follow()

async function follow() {
  // Watch first and read then: what is changed in between is seen twice, rather than not at all.
  const changes = prices.watch()
  let view = await read()
  show(view)
  for await (const change of changes) {
    // Something was missed, because the daemon was killed or we were too slow.
    if (change.type === 'reset') view = await read()
    else if (change.type === 'put') view.set(change.key, change.value)
    else view.delete(change.key)
    // Not in the middle of a batch.
    if (change.last !== false) show(view)
  }
}

async function read() {
  return new Map(await prices.iterator().all())
}

function show(view) {
  const entries = [...view].sort(([one], [other]) => (one < other ? -1 : 1))
  console.log(entries.map(([name, price]) => `${name} ${price}`).join(', ') || 'nothing yet')
}
