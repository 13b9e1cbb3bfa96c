// Runs abstract-level 1's test suite, the one that many-level is tested with, on guests from
// `connectGuest`. A program, because tape reports by way of its exit. Prints TAP.
//
//   node guest-suite.js <directory for the locations> <new or reused>

import { createRequire } from 'node:module'
import { connectGuest } from '@partyd/client/many-level'
import test from 'tape'
import { SuiteDatabases } from './suite-databases.js'

const [, , root, locations] = process.argv
const require = createRequire(import.meta.url)
const suite = createRequire(require.resolve('many-level'))('abstract-level/test')
const databases = new SuiteDatabases(root, locations)

/**
 * many-level: "Cannot reopen many-level database after close()". Its own run of this suite gets by
 * with a private option that a guest of `connectGuest`, like any other, is not given.
 */
const REOPENING = [
  'test database open, close and open',
  'test database open, close and open with promise',
  'test database open, close and open in same tick',
  'test passive open()',
  ...['iterator', 'keys', 'values'].flatMap((mode) => [
    ...['next', 'nextv', 'all'].flatMap((method) =>
      ['keyEncoding', 'valueEncoding'].map(
        (option) => `${mode}().${method}() catches decoding error from ${option} (deferred: true)`
      )
    ),
    `for await...of ${mode}() (deferred)`
  ]),
  'deferred open(): put() and get() on reopened database',
  'clear() with utf8 encoding (deferred: true)',
  'clear() with json encoding (deferred: true)'
].filter((name) => !/^keys.*valueEncoding|^values.*keyEncoding/.test(name))

/**
 * A guest with `retry` reads the keys in any case, to know where to resume, and hands them out.
 * many-level's own run is without `retry`.
 */
const READING_WITHOUT_KEYS = ['value-only iterator']

const skipped = new Set([...REOPENING, ...READING_WITHOUT_KEYS])

const watched = databases.watch(test)

/** Skips each of them once: sublevels, which the suite turns to afterwards, have no such limits. */
function testUnlessSkipped(name, ...rest) {
  return watched(name, { skip: skipped.delete(name) }, ...rest)
}

suite({
  test: Object.assign(testUnlessSkipped, test),
  factory: (options) =>
    databases.create((location) => connectGuest(location, { ...options, ...databases.options }))
})

test('the suite has every test that is skipped', (t) => {
  t.same([...skipped], [])
  t.end()
})
