// classic-level in the process that uses it: what partyd takes the place of, and the yardstick.

import { type AnyLevel, createStore } from './abstract-level-store.js'
import { loadPackage, resolvePackage } from './packages.js'
import type { Peer, Store } from './peer.js'

interface ClassicLevelModule {
  ClassicLevel: new (location: string, options: { cacheSize?: number }) => AnyLevel
}

export const classicLevel: Peer = {
  name: 'classic-level',
  description: 'classic-level 3 in process: no other process can use the location',
  processes: 'one',
  abilities: ['point', 'sync', 'batch', 'getMany', 'iterator', 'nextv', 'buffer'],
  require: () => void resolvePackage('classic-level'),
  openCold: (directory) => openClassicLevel(directory),
  open: (address, { cacheBytes }) => openClassicLevel(address, cacheBytes)
}

async function openClassicLevel(location: string, cacheBytes?: number): Promise<Store> {
  const { ClassicLevel } = await loadPackage<ClassicLevelModule>('classic-level')
  const cache = cacheBytes === undefined ? {} : { cacheSize: cacheBytes }
  const db = new ClassicLevel(location, cache)
  await db.open()
  return createStore(db)
}
