// lmdb: another key-value store that several processes open at once, by a memory-mapped file. Reads
// are synchronous; a put is answered when its transaction is committed.

import { join } from 'node:path'
import { loadPackage, resolvePackage } from './packages.js'
import type { OnEntry, Peer, ScanOptions, Store } from './peer.js'

interface LmdbModule {
  open(options: { path: string; encoding: 'string' }): Lmdb
}

interface Lmdb {
  get(key: string): string | undefined
  put(key: string, value: string): Promise<boolean>
  transaction(action: () => void): Promise<void>
  getRange(options: RangeOptions): Iterable<{ key: string; value: string }>
  getKeys(options: RangeOptions): Iterable<string>
  close(): Promise<void>
  readonly flushed: Promise<unknown>
}

interface RangeOptions {
  start?: string
  limit?: number
  reverse?: boolean
}

export const lmdb: Peer = {
  name: 'lmdb',
  description: 'lmdb 3.5 in every process, on one memory-mapped file',
  processes: 'many',
  abilities: ['point', 'sync', 'batch', 'getMany', 'iterator'],
  require: () => void resolvePackage('lmdb'),
  open: async (address): Promise<Store> => {
    const { open } = await loadPackage<LmdbModule>('lmdb')
    const db = open({ path: join(address, 'lmdb'), encoding: 'string' })
    return {
      get: (key) => db.get(key),
      put: (key, value, sync) => (sync ? putSynced(db, key, value) : db.put(key, value)),
      batch: (entries) =>
        db.transaction(() => {
          for (const { key, value } of entries) void db.put(key, value)
        }),
      getMany: (keys) => keys.map((key) => db.get(key)),
      scan: (options, onEntry) => scan(db, options, onEntry),
      close: () => db.close()
    }
  }
}

async function putSynced(db: Lmdb, key: string, value: string): Promise<void> {
  await db.put(key, value)
  await db.flushed
}

function scan(db: Lmdb, { method, gte, limit }: ScanOptions, onEntry: OnEntry): void {
  const range: RangeOptions = {
    ...(gte !== undefined && { start: gte }),
    ...(limit !== undefined && { limit }),
    ...(method === 'reverse' && { reverse: true })
  }
  if (method === 'keys') {
    for (const key of db.getKeys(range)) onEntry(key, undefined)
    return
  }
  for (const { key, value } of db.getRange(range)) onEntry(key, value)
}
