// rave-level 1: the first process to open a location leads it. The leader is a process of its own
// here, so that a client is a follower, as all but one of its users' processes are.

import { startHost } from '../processes/service-process.js'
import { type AnyLevel, createStore } from './abstract-level-store.js'
import { loadPackage, resolvePackage } from './packages.js'
import type { Peer } from './peer.js'

interface RaveLevelModule {
  RaveLevel: new (location: string) => AnyLevel
}

async function openRaveLevel(location: string): Promise<AnyLevel> {
  const { RaveLevel } = await loadPackage<RaveLevelModule>('rave-level')
  const db = new RaveLevel(location)
  await db.open()
  return db
}

export const raveLevel: Peer = {
  name: 'rave-level',
  description: 'rave-level 1.0, a follower; the leader is another process',
  processes: 'many',
  abilities: ['point', 'batch', 'getMany', 'iterator', 'nextv', 'buffer'],
  require: () => void resolvePackage('rave-level'),
  serve: (directory, options) => startHost('rave-level', directory, options),
  host: async (directory) => {
    const db = await openRaveLevel(directory)
    // It begins to listen behind its own back; who answers a read is ready for others.
    await db.getMany(['ready'])
    return () => db.close()
  },
  openCold: async (directory) => createStore(await openRaveLevel(directory)),
  open: async (address) => createStore(await openRaveLevel(address))
}
