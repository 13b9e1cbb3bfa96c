// redis-server on its unix socket with node-redis. Its log is written before it answers but not
// flushed, which is what LevelDB does without `sync`, so that both keep the same when killed.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { startProcess } from '../processes/service-process.js'
import { loadPackage, resolvePackage } from './packages.js'
import type { Peer, Service, Store } from './peer.js'

interface RedisModule {
  createClient(options: { socket: { path: string } }): RedisClient
}

interface RedisClient {
  connect(): Promise<unknown>
  get(key: string): Promise<string | null>
  set(key: string, value: string): Promise<unknown>
  mSet(pairs: string[]): Promise<unknown>
  mGet(keys: string[]): Promise<(string | null)[]>
  destroy(): void
}

export const redis: Peer = {
  name: 'redis',
  description: 'redis-server 7 on its unix socket, append-only log unflushed; node-redis',
  processes: 'many',
  abilities: ['point', 'batch', 'getMany'],
  require: () => {
    resolvePackage('redis')
    try {
      execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    } catch (cause) {
      throw new Error('there is no redis-server on PATH (Debian: redis-server)', { cause })
    }
  },
  serve: serveRedis,
  open: openRedis
}

async function serveRedis(directory: string): Promise<Service> {
  const address = join(directory, 'redis.sock')
  const settings = {
    port: '0',
    unixsocket: address,
    dir: directory,
    save: '',
    appendonly: 'yes',
    appendfsync: 'no',
    // A rewrite of the log would fall into somebody's round.
    'auto-aof-rewrite-percentage': '0'
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const server = await startProcess('redis-server', args, (output) => output.includes('ready to'))
  return { ...server, address }
}

async function openRedis(address: string): Promise<Store> {
  const { createClient } = await loadPackage<RedisModule>('redis')
  const client = createClient({ socket: { path: address } })
  await client.connect()
  return {
    get: (key) => client.get(key) as Promise<string>,
    put: (key, value) => client.set(key, value),
    batch: (entries) => client.mSet(entries.flatMap(({ key, value }) => [key, value])),
    getMany: (keys) => client.mGet(keys) as Promise<string[]>,
    close: () => client.destroy()
  }
}
