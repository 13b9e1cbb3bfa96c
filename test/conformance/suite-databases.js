// The databases of one run of a suite: each in a location that holds nothing, and so with a daemon of
// its own, and none of them open for longer than the suite has a use for it.

import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'

/**
 * How long daemons stay. Those of new locations have one client each; those of locations that are used
 * again wait for the next.
 */
const IDLE_MS = { new: 200, reused: 4_000 }

/** On a busy machine daemons start slowly. */
const CONNECT_MS = 60_000

/** Tests to which it matters that there is no database in their location. */
const IS_ABOUT_EXISTENCE = /createIfMissing|errorIfExists/

export class SuiteDatabases {
  #root
  #locations
  /** Databases and their sublevels. */
  #sublevels = new Map()
  /** Databases in locations that may be used again, and those locations. */
  #reusable = new Map()
  /** Locations that hold nothing any more. */
  #empty = []
  #mayReuse = false

  /**
   * @param {string} root directory for the locations
   * @param {'new' | 'reused'} locations whether each database gets a new one, and so a daemon that has
   *   to be started, or one that an earlier database has been closed in
   */
  constructor(root, locations) {
    this.#root = root
    this.#locations = locations
  }

  /** What every database of the run is given, beside what the suite asks for. */
  get options() {
    return { idleTimeoutMs: IDLE_MS[this.#locations], connectTimeoutMs: CONNECT_MS }
  }

  /**
   * tape's `test`, with an eye on the ends of tests: what a test has closed by then stays closed.
   * Within a test databases are closed and opened again.
   */
  watch(test) {
    const watched = (name, ...rest) =>
      test(name, ...rest)
        .on('prerun', () => {
          this.#mayReuse = this.#locations === 'reused' && !IS_ABOUT_EXISTENCE.test(name)
        })
        .on('end', () => this.#emptyClosed())
    return Object.assign(watched, test)
  }

  /** Opens a database with `open(location)`. */
  create(open) {
    this.#closeAbandoned()
    const location = (this.#mayReuse && this.#empty.pop()) || mkdtempSync(join(this.#root, 'db-'))
    const database = open(location)
    if (this.#locations === 'reused') this.#reusable.set(database, location)
    const sublevels = []
    this.#sublevels.set(database, sublevels)
    const createSublevel = database.sublevel
    database.sublevel = (...args) => {
      const sublevel = createSublevel.apply(database, args)
      sublevels.push(sublevel)
      return sublevel
    }
    return database
  }

  /**
   * The second half of a suite runs on sublevels, and closing those leaves their databases open:
   * in the end four hundred daemons would run at once.
   */
  #closeAbandoned() {
    for (const [database, sublevels] of this.#sublevels) {
      if (sublevels.length === 0 || sublevels.some(({ status }) => status !== 'closed')) continue
      this.#sublevels.delete(database)
      database.close().catch(ignoreNotClosed)
    }
  }

  #emptyClosed() {
    for (const [database, location] of this.#reusable) {
      if (database.status !== 'closed') continue
      this.#reusable.delete(database)
      database.once('opening', () => {
        throw new Error(`A database is opened again when ${location} may be another's`)
      })
      this.#emptyLocation(location)
    }
  }

  async #emptyLocation(location) {
    const db = new PartyLevel(location, this.options)
    await db.clear()
    await db.close()
    this.#empty.push(location)
  }
}

/** A failed hook locks the status of its sublevel for good, and a database closes after its sublevels. */
function ignoreNotClosed(error) {
  if (error.code !== 'LEVEL_DATABASE_NOT_CLOSED') throw error
}
