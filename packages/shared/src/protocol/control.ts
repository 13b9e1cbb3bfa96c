// One question to a daemon on a connection of its own: ping, status, stop or configure.

import type { Socket } from 'node:net'
import { fromWireError, ProtocolError } from '../errors.js'
import { Channel } from './channel.js'
import { FrameWriter } from './frame-writer.js'
import { parseObject, parseWireError } from './json-body.js'
import { KIND } from './kind.js'

/**
 * @param socket on which a hello of mode `control` has been answered; it is closed afterwards.
 * @param body what the question says, if anything.
 * @returns the answer; undefined when the daemon went away without one.
 * @throws PartyError or LevelError when that is the answer; ProtocolError when the answer makes no sense.
 */
export function ask(
  socket: Socket,
  kind: number,
  body?: object
): Promise<Record<string, unknown> | undefined> {
  return new Promise((resolve, reject) => {
    const channel = new Channel(socket, {
      onFrame: (reader) => {
        const text = reader.tailText()
        if (reader.kind === KIND.error) reject(fromWireError(parseWireError(text)))
        else resolve(parseObject(text, 'control answer'))
        channel.end()
      },
      isSaturated: () => false,
      onClose: (error) => (error instanceof ProtocolError ? reject(error) : resolve(undefined))
    })
    const writer = new FrameWriter()
    writer.begin(kind, 1)
    if (body !== undefined) writer.tail(JSON.stringify(body))
    writer.end()
    channel.send(writer.chunk, writer.start, writer.position)
  })
}
