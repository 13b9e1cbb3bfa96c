// A typical program of rave-level's users, who await what they do: a counter of visits, per page and
// in all, in sublevels. Prints what it finds.
//
//   node rave-level-program.cjs <rave-level or @partyd/client> <location> <name>

'use strict'

const { PartyLevel, RaveLevel = PartyLevel } = require(process.argv[2])
const [, , , location, visitor] = process.argv

const db = new RaveLevel(location, { valueEncoding: 'json' })
const pages = db.sublevel('pages', { valueEncoding: 'json' })
const names = db.sublevel('names', { keyEncoding: 'buffer', valueEncoding: 'utf8' })
db.on('leader', () => {})

async function main() {
  await db.open()
  for (let n = 0; n < 50; n++) {
    await pages.put(`${visitor} ${n % 7}`, { visitor, n })
    await db.batch([
      { type: 'put', key: `last ${visitor}`, value: n },
      { type: 'put', key: Buffer.from(visitor), value: `${visitor} ${n}`, sublevel: names }
    ])
  }
  await db.batch().put(`chained ${visitor}`, true).del(`last ${visitor}`).write()
  console.log(await db.getMany([`chained ${visitor}`, `last ${visitor}`]))
  console.log(await pages.get(`${visitor} 0`))

  const range = { gte: `${visitor} `, lt: `${visitor}!` }
  for await (const [key, value] of pages.iterator({ ...range, reverse: true })) {
    console.log(key, value.n)
  }
  console.log(await pages.keys({ ...range, limit: 2 }).all())
  console.log(await pages.values({ ...range, limit: 2 }).all())
  console.log(await names.get(Buffer.from(visitor)))
  const iterator = pages.iterator(range)
  iterator.seek(`${visitor} 5`)
  console.log(await iterator.nextv(10), await iterator.next())
  await iterator.close()

  await pages.clear({ ...range, limit: 5 })
  console.log(await pages.keys(range).all())
  await db.close()
  console.log(db.status)
}

main()
