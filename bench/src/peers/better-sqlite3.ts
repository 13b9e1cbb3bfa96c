// better-sqlite3 with a write-ahead log: one table in every process, everything synchronous.
// Version 12, because 13 crashes on Node 20.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadPackage, resolvePackage } from './packages.js'
import type { Entry, OnEntry, Peer, ScanOptions, Store } from './peer.js'

interface SqliteModule {
  default: new (file: string) => Database
}

interface Database {
  pragma(text: string): unknown
  exec(text: string): unknown
  prepare(text: string): Statement
  transaction(action: (entries: readonly Entry[]) => void): (entries: readonly Entry[]) => void
  close(): void
}

interface Statement {
  run(...values: unknown[]): unknown
  get(...values: unknown[]): string | undefined
  iterate(...values: unknown[]): Iterable<string | [string, string]>
  pluck(): Statement
  raw(): Statement
}

/** Other processes write too. */
const BUSY_MS = 10_000

export const betterSqlite3: Peer = {
  name: 'better-sqlite3',
  description: 'better-sqlite3 12 in every process, write-ahead log',
  processes: 'many',
  abilities: ['point', 'sync', 'batch', 'getMany', 'iterator'],
  require: requireBuilt,
  open: async (address): Promise<Store> => {
    const { default: Sqlite } = await loadPackage<SqliteModule>('better-sqlite3')
    return createSqliteStore(new Sqlite(join(address, 'kv.sqlite')))
  }
}

/** It fetches a binary or compiles one, which takes a while: only when it is asked for. */
function requireBuilt(): void {
  const directory = join(resolvePackage('better-sqlite3'), '../..')
  if (existsSync(join(directory, 'build/Release/better_sqlite3.node'))) return
  console.log('Building better-sqlite3')
  try {
    execFileSync('npm', ['run', 'install'], { cwd: directory, stdio: 'ignore' })
  } catch (cause) {
    throw new Error('better-sqlite3 could be neither fetched nor compiled', { cause })
  }
}

function createSqliteStore(db: Database): Store {
  db.pragma(`busy_timeout = ${BUSY_MS}`)
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = NORMAL')
  db.exec('CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID')
  const get = db.prepare('SELECT value FROM kv WHERE key = ?').pluck()
  const put = db.prepare('INSERT OR REPLACE INTO kv VALUES (?, ?)')
  const batch = db.transaction((entries) => {
    for (const { key, value } of entries) put.run(key, value)
  })
  return {
    get: (key) => get.get(key),
    put: (key, value, sync) => {
      if (sync) db.pragma('synchronous = FULL')
      put.run(key, value)
    },
    batch: (entries) => batch(entries),
    getMany: (keys) => keys.map((key) => get.get(key)),
    scan: createScan(db),
    close: () => db.close()
  }
}

function createScan(db: Database): (options: ScanOptions, onEntry: OnEntry) => void {
  const select = (columns: string, order: string): Statement =>
    db.prepare(`SELECT ${columns} FROM kv WHERE key >= ? ORDER BY key ${order} LIMIT ?`)
  const entries = {
    ASC: select('key, value', 'ASC').raw(),
    DESC: select('key, value', 'DESC').raw()
  }
  const keys = select('key', 'ASC').pluck()
  return ({ method, gte = '', limit = -1 }, onEntry) => {
    if (method === 'keys') {
      for (const key of keys.iterate(gte, limit)) onEntry(key as string, undefined)
      return
    }
    const statement = entries[method === 'reverse' ? 'DESC' : 'ASC']
    for (const row of statement.iterate(gte, limit)) {
      const [key, value] = row as [string, string]
      onEntry(key, value)
    }
  }
}
