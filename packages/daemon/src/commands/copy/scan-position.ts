// How far a scan has come, without counting: by LevelDB's guess of the bytes on disk before a key, which
// costs a look into its indexes.

import type { Bytes } from '@partyd/shared'
import { openScope } from '../data/data-scope.js'
import type { ClientDatabase } from '../open-database.js'
import type { ScanRange } from './snapshot-scan.js'

/** Behind all keys. */
const END = Buffer.alloc(16, 0xff)
/** What is not yet in a table is not in the guess. Below this it says nothing. */
const TOTAL_BYTES_MIN = 1_048_576

export class ScanPosition {
  readonly #database: ClientDatabase
  readonly #limit: number
  readonly #prefix: Buffer
  readonly #start: Buffer
  readonly #end: Buffer
  #total: number | undefined

  constructor(database: ClientDatabase, { sublevels, range, limit }: ScanRange) {
    this.#database = database
    this.#limit = limit
    this.#prefix = openScope(database, sublevels).prefix
    this.#start = this.#toKey(range.gte ?? range.gt ?? '')
    const end = range.lte ?? range.lt
    this.#end = end === undefined ? this.#toKey(END) : this.#toKey(end)
  }

  /** @returns from 0 to 1; undefined when it is not known. */
  async find(key: Bytes | undefined, entries: number): Promise<number | undefined> {
    if (key === undefined) return undefined
    const ofLimit = entries / this.#limit
    this.#total ??= await this.#database.approximateSize(this.#start, this.#end)
    if (this.#total < TOTAL_BYTES_MIN) return ofLimit === 0 ? undefined : ofLimit
    const done = await this.#database.approximateSize(this.#start, this.#toKey(key))
    return Math.min(Math.max(done / this.#total, ofLimit), 1)
  }

  #toKey(key: Bytes): Buffer {
    return Buffer.concat([this.#prefix, Buffer.from(key as string)])
  }
}
