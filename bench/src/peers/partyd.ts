// partyd as a checkout has built it: the daemon in the foreground, its clients by the SDK.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { startProcess } from '../processes/service-process.js'
import { type AnyLevel, createStore } from './abstract-level-store.js'
import type { Peer, ServeOptions, Service, Store } from './peer.js'

type ClientModule = typeof import('../../../packages/client/dist/index.js')

/** Where `--base` says that another checkout is; the environment hands it to all processes. */
export const BASE_VARIABLE = 'PARTYD_BENCH_BASE'

const THIS_CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url))

/** This checkout. */
export const partyd: Peer = createPartyd('partyd', '`PartyLevel` and its daemon', THIS_CHECKOUT)

/** Another checkout, to compare this one with. Takes part when `--base` names it. */
export const base: Peer = createPartyd(
  'base',
  'partyd as the checkout named by `--base` has it',
  process.env[BASE_VARIABLE] ?? ''
)

function createPartyd(name: string, description: string, checkout: string): Peer {
  return {
    name,
    description,
    processes: 'many',
    abilities: ['point', 'sync', 'batch', 'getMany', 'iterator', 'nextv', 'buffer'],
    require: () => {
      const entry = entryOf(checkout)
      if (!existsSync(entry)) throw new Error(`there is no ${entry}`)
    },
    serve: (directory, options) => servePartyd(directory, options, checkout),
    open: (address) => openPartyLevel(checkout, address, { autospawn: false }),
    openCold: (directory) => openCold(checkout, directory),
    leaderPid: (directory) => {
      const published = readFileSync(join(directory, 'partyd.json'), 'utf8')
      return (JSON.parse(published) as { pid: number }).pid
    }
  }
}

/** The daemon of a location, started by hand. */
export async function servePartyd(
  directory: string,
  { cacheBytes, nodeArgs }: ServeOptions,
  checkout: string = THIS_CHECKOUT
): Promise<Service> {
  const cache = cacheBytes === undefined ? [] : ['--cache-size', String(cacheBytes)]
  const daemon = await startProcess(
    process.execPath,
    [...nodeArgs, entryOf(checkout), 'serve', directory, '--ready-fd', '3', ...cache],
    (output) => output.includes('"ready"')
  )
  return { ...daemon, address: directory }
}

async function openPartyLevel(
  checkout: string,
  location: string,
  options: { autospawn: boolean }
): Promise<Store> {
  const { PartyLevel } = await loadClient(checkout)
  const db = new PartyLevel<string, string>(location, options)
  await db.open()
  return createStore(db as unknown as AnyLevel)
}

async function openCold(checkout: string, directory: string): Promise<Store> {
  const store = await openPartyLevel(checkout, directory, { autospawn: true })
  return {
    ...store,
    close: async () => {
      await store.close()
      const { PartyLevel } = await loadClient(checkout)
      await PartyLevel.stop(directory)
    }
  }
}

function entryOf(checkout: string): string {
  return join(checkout, 'packages/daemon/bin/partyd.cjs')
}

async function loadClient(checkout: string): Promise<ClientModule> {
  const entry = join(checkout, 'packages/client/dist/index.js')
  return (await import(pathToFileURL(entry).href)) as ClientModule
}
