// Runs abstract-level's own test suite on PartyLevel. A program, because tape reports by way of its
// exit. Prints TAP.
//
//   node party-level-suite.js <directory for the locations> <new or reused> <retry: true or false>

import { createRequire } from 'node:module'
import { PartyLevel } from '@partyd/client'
import test from 'tape'
import { SuiteDatabases } from './suite-databases.js'

const [, , root, locations, retry] = process.argv
const require = createRequire(import.meta.url)
const suite = require('abstract-level/test')
const databases = new SuiteDatabases(root, locations)

/** What every database of this run is given, beside what the suite asks for. */
const RUN_OPTIONS = { retry: retry === 'true', ...databases.options }

class SuiteLevel extends PartyLevel {
  /** The suite's postopen hooks are to see the options that the suite passed, and no others. */
  _open(options) {
    for (const name of Object.keys(RUN_OPTIONS)) delete options[name]
    return super._open(options)
  }
}

suite({
  test: databases.watch(test),
  factory: (options) =>
    databases.create((location) => new SuiteLevel(location, { ...options, ...RUN_OPTIONS }))
})
