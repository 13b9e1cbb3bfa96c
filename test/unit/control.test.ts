import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask, KIND } from '@partyd/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeFrame } from '../harness/raw-client.js'

let directory: string
const sockets: Socket[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'partyd-control-'))
})

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  rmSync(directory, { recursive: true, force: true })
})

/** Asks for the status somebody who does `answer` as soon as the question has come. */
async function askOne(answer: (socket: Socket) => void): Promise<unknown> {
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.once('data', () => answer(socket))
  })
  server.listen(join(directory, 'socket'))
  await once(server, 'listening')
  const socket = connect(join(directory, 'socket'))
  sockets.push(socket)
  await once(socket, 'connect')
  server.close()
  return ask(socket, KIND.status)
}

function frame(kind: number, text: string): Buffer {
  return encodeFrame(kind, 1, (writer) => writer.tail(text))
}

describe('a question to the daemon', () => {
  it('resolves with the answer', async () => {
    const answered = askOne((socket) => socket.write(frame(KIND.info, '{"pid":7}')))
    expect(await answered).toEqual({ pid: 7 })
  })

  it('rejects with the error that is answered', async () => {
    const wire = '{"code":"PARTYD_INCOMPATIBLE","message":"no"}'
    const answered = askOne((socket) => socket.write(frame(KIND.error, wire)))
    await expect(answered).rejects.toMatchObject({ code: 'PARTYD_INCOMPATIBLE', message: 'no' })
  })

  it.each<[string, (socket: Socket) => void]>([
    ['ends', (socket) => socket.end()],
    ['goes away', (socket) => socket.destroy()],
    ['goes away in the middle', (socket) => socket.end(frame(KIND.info, '{}').subarray(0, 7))]
  ])('resolves with nothing when the daemon %s', async (_name, answer) => {
    expect(await askOne(answer)).toBeUndefined()
  })

  it.each<[string, Buffer]>([
    ['is not JSON', frame(KIND.info, '{')],
    ['is an error without a code', frame(KIND.error, '{}')],
    ['has 4 GB', Buffer.alloc(16, 0xff)]
  ])('rejects when the answer %s', async (_name, bytes) => {
    const answered = askOne((socket) => socket.write(bytes))
    await expect(answered).rejects.toMatchObject({ code: 'PARTYD_PROTOCOL' })
  })
})
