// A program written for level-party that uses all of its API. Prints what it gets:
//
//   node level-party-program.cjs <module to require> <location>
//
// It does not close the database: the addon of level-party's leader does not survive that on Node 20.

'use strict'

const [, , name, location] = process.argv
const level = require(name)
const db = level(location, { valueEncoding: 'json' })

const EVENTS = ['open', 'ready', 'put', 'del', 'batch', 'clear']
for (const event of EVENTS) db.on(event, (...args) => show(`event ${event}`, ...args))

function show(what, ...rest) {
  console.log(what, JSON.stringify(rest.map(describe)))
}

function describe(item) {
  if (item === undefined) return 'undefined'
  if (!(item instanceof Error)) return item
  const { name, notFound, status, cause } = item
  return notFound ? { name, notFound, status, message: item.message } : { name, cause: !!cause }
}

/** With a promise and with a callback: both ways must come to the same. */
async function both(what, call) {
  await call()
    .then((...args) => show(`${what} resolves`, ...args))
    .catch((error) => show(`${what} rejects`, error))
  await new Promise((resolve) => {
    call((error, ...args) => {
      show(`${what} calls back`, error ?? null, ...args)
      resolve()
    })
  })
}

function stream(what, readable) {
  return new Promise((resolve) => {
    const seen = []
    readable
      .on('data', (data) => seen.push(data))
      .on('error', (error) => seen.push(describe(error)))
      .on('end', () => seen.push('end'))
      .on('close', () => {
        show(what, ...seen, 'close')
        resolve()
      })
  })
}

const OWN = { encode: (n) => `n${n}`, decode: (text) => Number(text.slice(1)), buffer: false }

async function values() {
  await both('get of nothing', (done) => db.get('none', done))
  await both('put', (done) => db.put('a', { x: 1 }, done))
  await both('put with options', (done) => db.put('b', [1], { sync: true }, done))
  await both('put of null', (done) => db.put('b', null, done))
  await both('put without key', (done) => db.put(undefined, 1, done))
  await both('get', (done) => db.get('a', done))
  await both('get with null for options', (done) => db.get('b', null, done))
  await both('getMany', (done) => db.getMany(['a', 'none', 'b'], done))
  await both('getMany with options', (done) => db.getMany(['a'], { valueEncoding: 'utf8' }, done))
  await both('del', (done) => db.del('b', done))
}

async function batches() {
  const operations = [
    { type: 'put', key: 'c', value: 3 },
    { type: 'put', key: '0a', value: 'ff', keyEncoding: 'hex', encoding: 'hex' },
    { type: 'del', key: 'b' }
  ]
  await both('batch', (done) => db.batch(operations, done))
  await both('batch of nothing', (done) => db.batch([], done))
  await both('batch without types', (done) => db.batch([{ key: 'c', value: 3 }], done))
  await both('chained batch', (done) => {
    const batch = db.batch().put('x', 1).clear().put('d', 4).put('e', [5]).del('c')
    show('its length', batch.length)
    return done ? batch.write(done) : batch.write({ sync: true })
  })
  const batch = db.batch()
  for (const wrong of [() => batch.put('k', null), () => batch.put(null, 1), () => batch.del()]) {
    try {
      wrong()
    } catch (error) {
      show('chained batch throws', error)
    }
  }
  const value = { n: 1 }
  batch.put('kept', value)
  value.n = 2
  await batch.write()
  await both('get of what a chained batch took', (done) => db.get('kept', done))
}

async function encodings() {
  const bytes = Buffer.from([255, 1, 128])
  await db.put(bytes, bytes, { keyEncoding: 'binary', valueEncoding: 'binary' })
  await both('get of bytes', (done) => db.get(bytes, { valueEncoding: 'binary' }, done))
  await db.put('bytes', bytes, { valueEncoding: 'utf8' })
  for (const valueEncoding of ['hex', 'base64', 'ascii', 'ucs2', 'utf16le', 'binary']) {
    await both(`get as ${valueEncoding}`, (done) => db.get('bytes', { valueEncoding }, done))
    await db.put('other', 'abcd', { valueEncoding })
    await both('its bytes', (done) => db.get('other', { valueEncoding: 'hex' }, done))
  }
  await db.put(5, 'five')
  for (const valueEncoding of ['utf8', 'utf-8', 'none', 'id', 'nonsense']) {
    await both(`get as ${valueEncoding}`, (done) => db.get('5', { valueEncoding }, done))
  }
  await both('get of no JSON', (done) => db.get('bytes', done))
  await db.put('own', 7, { valueEncoding: OWN })
  await both('get by an encoding of its own', (done) => db.get('own', { valueEncoding: OWN }, done))
  await both('the same as text', (done) => db.get('own', { encoding: 'utf8' }, done))
  for (const key of ['bytes', 'other', 'own', 5, bytes]) await db.del(key)
  await buffersEncoded(bytes)
}

const REVERSED = {
  encode: (data) => Buffer.from(data).reverse(),
  decode: (data) => data.reverse(),
  buffer: true
}

/** Text and JSON are no different from any other encoding in what they are given. */
async function buffersEncoded(bytes) {
  const own = { keyEncoding: REVERSED, valueEncoding: REVERSED }
  const json = { keyEncoding: 'json', valueEncoding: 'json' }
  for (const options of [own, json]) {
    await db.put(bytes, bytes, options)
    const [first, second] = ['first', 'second'].map((text) => Buffer.from(text))
    await db.batch([{ type: 'put', key: first, value: first, ...options }])
    await db.batch().put(second, second, options).write()
    await both('get of Buffers', (done) => db.getMany([bytes, first, second], options, done))
    await stream('their bytes', db.createReadStream({ keyEncoding: 'hex', valueEncoding: 'hex' }))
    await stream('a range', db.createReadStream({ gte: first, lte: first, ...options }))
    for (const key of [bytes, first, second]) await db.del(key, options)
  }
  const nothing = () => {}
  await both('put of what JSON makes nothing of', (done) => db.put('k', nothing, done))
  try {
    db.batch().put('k', nothing)
  } catch (error) {
    show('chained batch throws', error)
  }
}

async function entries() {
  await db.batch(['f', 'g', 'h'].map((key) => ({ type: 'put', key, value: key })))
  const all = []
  for await (const entry of db.iterator({ gte: 'd' })) all.push(entry)
  show('for await', ...all)
  const iterator = db.iterator({ gt: 'd', lte: 'g', values: false })
  show('next', await iterator.next())
  await new Promise((resolve) => {
    const itself = iterator.next((...args) => {
      show('next calls back', ...args)
      resolve()
    })
    show('next returns the iterator', itself === iterator)
  })
  iterator.seek('g')
  show('next behind a seek', await iterator.next())
  await new Promise((resolve) => {
    iterator.next((...args) => {
      show(
        'next at the end',
        args.filter((arg) => arg != null)
      )
      resolve()
    })
  })
  show('next at the end', await iterator.next())
  await new Promise((resolve) => iterator.end((error) => resolve(show('end', error ?? null))))
  await iterator.next().catch(() => show('next behind the end fails'))
  await db.iterator().end()
}

async function streams() {
  await stream('stream of what is no JSON', db.createReadStream())
  await stream('what comes before it', db.createReadStream({ reverse: true }))
  await db.del('0a', { keyEncoding: 'hex' })
  await stream('stream', db.createReadStream())
  await stream('stream in reverse', db.createReadStream({ reverse: true, limit: 2 }))
  await stream('stream of a range', db.createReadStream({ gt: 'd', lt: 'g' }))
  await stream('stream of keys', db.createKeyStream({ gte: 'd', lte: 'f' }))
  await stream('stream of values', db.createValueStream({ lt: 'e' }))
  await stream('stream without values', db.createReadStream({ values: false, limit: 1 }))
  await stream('stream without keys', db.createReadStream({ keys: false, limit: 1 }))
  await stream('stream of nothing', db.createReadStream({ limit: 0 }))
  await stream('stream with empty bounds', db.createReadStream({ gte: '', lt: '' }))
  await stream('stream as bytes', db.readStream({ keyEncoding: 'hex', valueEncoding: 'utf8' }))
  await stream('keyStream', db.keyStream())
  await stream('valueStream', db.valueStream())
  const destroyed = db.createReadStream()
  destroyed.once('data', () => destroyed.destroy())
  await stream('stream that is destroyed', destroyed)
  try {
    db.createReadStream({ start: 'a', end: 'b' })
  } catch (error) {
    show('stream with the old bounds', error.message)
  }
}

async function main() {
  show('at first', typeof level, db.status, db.isOpen(), db.isClosed(), db.isOperational(), `${db}`)
  await values()
  show('then', db.status, db.isOpen(), db.isClosed(), db.isOperational())
  await both('open again', (done) =>
    done
      ? db.open((error, same) => done(error, same === db))
      : db.open().then((same) => same === db)
  )
  await batches()
  await encodings()
  await entries()
  await streams()
  await both('clear of a range', (done) => db.clear({ gt: 'e', limit: 1 }, done))
  await stream('what is left', db.createKeyStream())
  await both('clear', (done) => db.clear(done))
  await stream('what is left', db.createKeyStream())
}

main().then(
  () => console.log('the end'),
  (error) => console.log('failed', error)
)
