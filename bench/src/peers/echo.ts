// No database: a bare Node server on a unix socket that sends back what it gets, and a client that
// does nothing else. What a round trip costs on this machine, to measure the others by.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { startHost } from '../processes/service-process.js'
import type { Peer, Store } from './peer.js'

/** About what a small get and its answer take on the wire. */
const MESSAGE = Buffer.alloc(120, 'e')

const socketOf = (directory: string): string => join(directory, 'echo.sock')

export const echo: Peer = {
  name: 'echo',
  description: 'a bare Node server that sends back 120 bytes; no database',
  processes: 'many',
  abilities: ['echo'],
  require: () => undefined,
  serve: async (directory, options) => ({
    ...(await startHost('echo', directory, options)),
    address: socketOf(directory)
  }),
  host: async (directory) => {
    const server = createServer((socket) => {
      socket.on('data', (data) => socket.write(data))
      socket.on('error', () => socket.destroy())
    })
    server.listen(socketOf(directory))
    await once(server, 'listening')
    return async () => void server.close()
  },
  open: openEcho
}

async function openEcho(address: string): Promise<Store> {
  const socket = connect(address)
  await once(socket, 'connect')
  const waiting: ((value: undefined) => void)[] = []
  let received = 0
  socket.on('data', (data) => {
    received += data.length
    while (received >= MESSAGE.length) {
      received -= MESSAGE.length
      waiting.shift()?.(undefined)
    }
  })
  return {
    holdsData: false,
    get: () => {
      socket.write(MESSAGE)
      return new Promise<undefined>((resolve) => waiting.push(resolve))
    },
    close: () => void socket.destroy()
  }
}
