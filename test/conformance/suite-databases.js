// The databases of one run of a suite: each in a location of its own, and so with a daemon of its
// own, and none of them open for longer than the suite has a use for it.

import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'

export class SuiteDatabases {
  #root
  #sublevels = new Map()

  /** @param {string} root directory for the locations */
  constructor(root) {
    this.#root = root
  }

  /** Opens a database with `open(location)`. */
  create(open) {
    this.#closeAbandoned()
    const database = open(mkdtempSync(join(this.#root, 'db-')))
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
}

/** A failed hook locks the status of its sublevel for good, and a database closes after its sublevels. */
function ignoreNotClosed(error) {
  if (error.code !== 'LEVEL_DATABASE_NOT_CLOSED') throw error
}
