// level-party 5, the predecessor, on the interfaces of its time. As with rave-level the leader is a
// process of its own.

import { startHost } from '../processes/service-process.js'
import { loadPackage, resolvePackage } from './packages.js'
import type { Entry, Peer, Store } from './peer.js'

interface LevelPartyModule {
  default: (location: string) => LevelUp
}

interface LevelUp {
  open(): Promise<void>
  close(): Promise<void>
  get(key: string): Promise<string>
  put(key: string, value: string): Promise<void>
  batch(operations: readonly Entry[]): Promise<void>
  getMany(keys: string[]): Promise<string[]>
}

async function openLevelParty(location: string): Promise<LevelUp> {
  const { default: level } = await loadPackage<LevelPartyModule>('level-party')
  const db = level(location)
  // Opens by itself, and answers nobody before it has.
  await db.put('', '').catch(() => undefined)
  return db
}

export const levelParty: Peer = {
  name: 'level-party',
  description: 'level-party 5, a follower; the leader is another process',
  processes: 'many',
  abilities: ['point', 'batch', 'getMany'],
  require: () => void resolvePackage('level-party'),
  serve: (directory, options) => startHost('level-party', directory, options),
  host: async (directory) => {
    const db = await openLevelParty(directory)
    return () => db.close()
  },
  openCold: openStore,
  open: openStore
}

async function openStore(location: string): Promise<Store> {
  const db = await openLevelParty(location)
  return {
    get: (key) => db.get(key),
    put: (key, value) => db.put(key, value),
    batch: (entries) => db.batch(entries),
    getMany: (keys) => db.getMany(keys),
    close: () => db.close()
  }
}
