// A client process: opens a peer as its users would, and does what the driver tells it to.

import { DataSet } from '../data-set.js'
import { peerNamed } from '../peers/all.js'
import type { Entry, Store } from '../peers/peer.js'
import { runTask } from '../tasks/run-task.js'
import type { Answer, Call, CallName, ClientCalls } from './client-calls.js'

/** Batches of at most so many bytes are written to fill a database, and so many entries. */
const FILL_BYTES = 1024 * 1024
const FILL_ENTRIES = 1000

type Handlers = {
  readonly [N in CallName]: (parameters: ClientCalls[N][0]) => Promise<ClientCalls[N][1]>
}

const stores: Store[] = []
let prepared: DataSet | undefined
let halt = new AbortController()

const handlers: Handlers = {
  open: async ({ peer, address, connections, options }) => {
    while (stores.length < connections) {
      stores.push(await peerNamed(peer).open(address, options))
    }
    return undefined
  },
  prepare: async (shape) => {
    prepared = new DataSet(shape)
    return undefined
  },
  fill: async () => {
    await fill(stores[0], preparedData())
    return undefined
  },
  run: ({ task, connections, pace }) => {
    halt = new AbortController()
    return runTask(task, stores.slice(0, connections), preparedData(), pace, halt.signal)
  },
  halt: async () => {
    halt.abort()
    return undefined
  },
  openCold: async ({ peer, directory }) => {
    const store = await peerNamed(peer).openCold?.(directory)
    if (store === undefined) throw new Error(`The peer '${peer}' cannot be opened cold`)
    stores.push(store)
    return undefined
  },
  putOne: async () => {
    const startedAt = performance.now()
    await stores[0]?.put?.('key', 'value', false)
    return performance.now() - startedAt
  },
  close: async () => {
    for (const store of stores.splice(0)) await store.close()
    return undefined
  }
}

function preparedData(): DataSet {
  if (prepared === undefined) throw new Error('The client process has no data yet')
  return prepared
}

async function fill(store: Store | undefined, data: DataSet): Promise<void> {
  const { shape } = data
  const size = Math.max(1, Math.min(FILL_ENTRIES, Math.floor(FILL_BYTES / shape.valueBytes)))
  for (let first = 0; first < shape.keys; first += size) {
    const entries: Entry[] = []
    for (let index = first; index < Math.min(first + size, shape.keys); index++) {
      entries.push({ type: 'put', key: data.key(index), value: data.value(index, index) })
    }
    await store?.batch?.(entries)
  }
}

async function answer(call: Call): Promise<Answer> {
  const { id, name, parameters } = call
  try {
    const handler = handlers[name] as (parameters: unknown) => Promise<unknown>
    return { id, result: await handler(parameters) }
  } catch (error) {
    return { id, error: (error as Error).stack ?? String(error) }
  }
}

process.on('message', (call: Call) => {
  void answer(call).then((message) => process.send?.(message))
})
// The driver may end without a word.
process.once('disconnect', () => process.exit())
