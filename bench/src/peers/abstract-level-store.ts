// A store on any abstract-level database, of version 1 or 3: the one loop for all of that family,
// so that what is compared is the database alone.

import type { Read } from '../data-set.js'
import type { Encoding, Entry, OnEntry, ScanOptions, Store } from './peer.js'

interface Encodings {
  readonly keyEncoding?: string
  readonly valueEncoding: string
}

interface RangeOptions extends Encodings {
  readonly gte?: string | Buffer
  readonly limit?: number
  readonly reverse?: boolean
}

/** What versions 1 and 3 of abstract-level have in common. */
export interface AnyLevel {
  open(): Promise<void>
  close(): Promise<void>
  get(key: string, options?: Encodings): Promise<Read>
  put(key: string, value: string, options?: { sync: boolean }): Promise<void>
  batch(operations: readonly Entry[]): Promise<void>
  getMany(keys: string[]): Promise<Read[]>
  iterator(options: RangeOptions): AnyIterator<[Read, Read]>
  keys(options: RangeOptions): AnyIterator<Read>
}

interface AnyIterator<T> extends AsyncIterable<T> {
  nextv(size: number): Promise<T[]>
  all(): Promise<T[]>
  close(): Promise<void>
}

const SYNC = { sync: true }
const VALUE_BUFFER: Encodings = { valueEncoding: 'buffer' }
const NEXTV_ENTRIES = 1000

export function createStore(db: AnyLevel): Store {
  return {
    get: (key, encoding) => (encoding === 'utf8' ? db.get(key) : db.get(key, VALUE_BUFFER)),
    put: (key, value, sync) => (sync ? db.put(key, value, SYNC) : db.put(key, value)),
    batch: (entries) => db.batch(entries),
    getMany: (keys) => db.getMany(keys),
    scan: (options, onEntry) => scan(db, options, onEntry),
    close: () => db.close()
  }
}

async function scan(db: AnyLevel, options: ScanOptions, onEntry: OnEntry): Promise<void> {
  const range = rangeOf(options)
  switch (options.method) {
    case 'iterator':
    case 'reverse':
      for await (const [key, value] of db.iterator(range)) onEntry(key, value)
      return
    case 'keys':
      for await (const key of db.keys(range)) onEntry(key, undefined)
      return
    case 'all':
      for (const [key, value] of await db.iterator(range).all()) onEntry(key, value)
      return
    case 'nextv':
      return await scanByNextv(db.iterator(range), onEntry)
  }
}

async function scanByNextv(iterator: AnyIterator<[Read, Read]>, onEntry: OnEntry): Promise<void> {
  for (;;) {
    const entries = await iterator.nextv(NEXTV_ENTRIES)
    if (entries.length === 0) break
    for (const [key, value] of entries) onEntry(key, value)
  }
  await iterator.close()
}

function rangeOf({ method, encoding, gte, limit }: ScanOptions): RangeOptions {
  return {
    ...encodingsOf(encoding),
    ...(gte !== undefined && { gte: encoding === 'utf8' ? gte : Buffer.from(gte) }),
    ...(limit !== undefined && { limit }),
    ...(method === 'reverse' && { reverse: true })
  }
}

function encodingsOf(encoding: Encoding): Encodings {
  return { keyEncoding: encoding, valueEncoding: encoding }
}
