// Stock many-level 2.0.0 guests: on partyd's daemon, which serves them beside its own clients, and on
// the host that many-level itself brings, over the newest classic-level that it works with.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import { startHost } from '../processes/service-process.js'
import { type AnyLevel, createStore } from './abstract-level-store.js'
import { loadPackage, resolvePackage } from './packages.js'
import { servePartyd } from './partyd.js'
import type { Ability, Peer, Store } from './peer.js'

interface ManyLevelModule {
  ManyLevelGuest: new () => AnyLevel & RpcEnd
  ManyLevelHost: new (db: AnyLevel) => RpcEnd
}

interface RpcEnd {
  createRpcStream(): Duplex
}

interface ClassicLevelModule {
  ClassicLevel: new (location: string) => AnyLevel
}

const ABILITIES: readonly Ability[] = ['point', 'batch', 'getMany', 'iterator', 'nextv', 'buffer']

export const manyLevel: Peer = {
  name: 'many-level',
  description: 'a stock many-level 2.0 guest on partyd’s daemon',
  processes: 'many',
  abilities: ABILITIES,
  require: () => undefined,
  serve: (directory, options) => servePartyd(directory, options),
  open: async (address): Promise<Store> => {
    const { connectGuest } = await import('../../../packages/client/dist/many-level.js')
    const guest = connectGuest(address, { autospawn: false }) as unknown as AnyLevel
    await guest.open()
    return createStore(guest)
  }
}

const socketOf = (directory: string): string => join(directory, 'host.sock')

export const manyLevelOwn: Peer = {
  name: 'many-level-own',
  description: 'a stock many-level 2.0 guest on its own host over classic-level 1.4',
  processes: 'many',
  abilities: ABILITIES,
  require: () => {
    resolvePackage('many-level')
    resolvePackage('classic-level-1')
  },
  serve: async (directory, options) => ({
    ...(await startHost('many-level-own', directory, options)),
    address: socketOf(directory)
  }),
  host: hostManyLevel,
  open: async (address): Promise<Store> => {
    const { ManyLevelGuest } = await loadPackage<ManyLevelModule>('many-level')
    const guest = new ManyLevelGuest()
    const socket = connect(address)
    await once(socket, 'connect')
    pipeline(socket, guest.createRpcStream(), socket, () => undefined)
    await guest.open()
    const store = createStore(guest)
    return {
      ...store,
      close: async () => {
        await store.close()
        socket.destroy()
      }
    }
  }
}

async function hostManyLevel(directory: string): Promise<() => Promise<void>> {
  const { ManyLevelHost } = await loadPackage<ManyLevelModule>('many-level')
  const { ClassicLevel } = await loadPackage<ClassicLevelModule>('classic-level-1')
  const db = new ClassicLevel(join(directory, 'db'))
  await db.open()
  const host = new ManyLevelHost(db)
  const server = createServer((socket) => {
    pipeline(socket, host.createRpcStream(), socket, () => undefined)
  })
  server.listen(socketOf(directory))
  await once(server, 'listening')
  return () => db.close()
}
