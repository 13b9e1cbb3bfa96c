// Tells the two kinds of peer on one socket apart by their first byte, and nothing else.

import type { Socket } from 'node:net'
import { PARTY_FIRST_BYTE, PREFACE, TIMES } from '@partyd/shared'

export type PeerKind = 'party' | 'guest'

/**
 * Resolves once the peer has shown what it is; its preface is taken off, all other bytes wait in
 * the socket. A stock guest is silent until its first operation, so there is no time limit before
 * the first byte. Undefined: the peer is gone, or is neither.
 */
export function recognizePeer(
  socket: Socket,
  onFirstByte: () => void
): Promise<PeerKind | undefined> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined
    const finish = (kind: PeerKind | undefined): void => {
      clearTimeout(timer)
      socket.off('readable', onReadable)
      socket.off('close', onClose)
      if (kind === undefined) socket.destroy()
      resolve(kind)
    }
    const onClose = (): void => finish(undefined)
    const onReadable = (): void => {
      if (timer === undefined) {
        const first: Buffer | null = socket.read(1)
        if (first === null) return
        onFirstByte()
        if (first[0] !== PARTY_FIRST_BYTE) {
          socket.unshift(first)
          return finish('guest')
        }
        // Not put back: what is put back is announced as readable, and one byte alone would be for ever.
        timer = setTimeout(finish, TIMES.hello, undefined)
      }
      const rest: Buffer | null = socket.read(PREFACE.length - 1)
      if (rest !== null) finish(rest.equals(PREFACE.subarray(1)) ? 'party' : undefined)
    }
    socket.on('readable', onReadable)
    socket.on('close', onClose)
  })
}
