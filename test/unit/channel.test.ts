import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Channel, type ChannelOwner, type FrameReader, FrameWriter, LIMITS } from '@partyd/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeFrame } from '../harness/raw-client.js'

/** Both ends of a connection. */
class SocketPair {
  readonly near: Socket
  readonly far: Socket

  private constructor(near: Socket, far: Socket) {
    this.near = near
    this.far = far
    far.on('error', () => {})
  }

  static async connect(path: string): Promise<SocketPair> {
    const server = createServer()
    server.listen(path)
    await once(server, 'listening')
    const near = connect(path)
    const [far] = (await once(server, 'connection')) as [Socket]
    server.close()
    if (near.connecting) await once(near, 'connect')
    return new SocketPair(near, far)
  }
}

/** Keeps what its channel tells it. */
class Owner implements ChannelOwner {
  readonly bodies: string[] = []
  readonly faults: Error[] = []
  readonly closes: (Error | undefined)[] = []
  saturated = false
  onBody: (body: string) => void = () => {}
  #whenClosed: () => void = () => {}
  readonly closed = new Promise<void>((resolve) => {
    this.#whenClosed = resolve
  })

  onFrame(reader: FrameReader): void {
    const body = reader.tailText()
    this.bodies.push(body)
    this.onBody(body)
  }

  onFault(error: Error): void {
    this.faults.push(error)
  }

  isSaturated(): boolean {
    return this.saturated
  }

  onClose(error: Error | undefined): void {
    this.closes.push(error)
    this.#whenClosed()
  }
}

function frameOf(body: string): Buffer {
  return encodeFrame(1, 1, (writer) => writer.tail(body))
}

function sendFrames(channel: Channel, writer: FrameWriter, bodies: readonly (string | Buffer)[]) {
  for (const body of bodies) {
    writer.begin(1, 1)
    writer.tail(body)
    writer.end()
    channel.send(writer.chunk, writer.start, writer.position)
  }
}

/** Resolves with what comes from the other end, once it is `count` bytes or more. */
function receive(socket: Socket, count: number): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let length = 0
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      length += chunk.length
      if (length < count) return
      socket.off('data', onData)
      resolve(Buffer.concat(chunks))
    }
    socket.on('data', onData)
    socket.resume()
  })
}

let directory = ''
let pair: SocketPair
let owner: Owner
let channel: Channel

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'partyd-test-'))
  const pipe = process.platform === 'win32' ? `\\\\.\\pipe\\${directory}` : join(directory, 's')
  pair = await SocketPair.connect(pipe)
  owner = new Owner()
  channel = new Channel(pair.near, owner)
})
afterEach(() => {
  pair.near.destroy()
  pair.far.destroy()
  rmSync(directory, { recursive: true, force: true })
})

describe('Channel, sending', () => {
  it('sends all frames of a turn in one write', async () => {
    const write = vi.spyOn(pair.near, 'write')
    sendFrames(channel, new FrameWriter(), ['one', 'two'])
    // Whatever continues in this turn's microtasks still belongs to it.
    await Promise.resolve()
    sendFrames(channel, new FrameWriter(), [])
    const expected = Buffer.concat([frameOf('one'), frameOf('two')])
    expect(await receive(pair.far, expected.length)).toEqual(expected)
    expect(write).toHaveBeenCalledTimes(1)
  })

  it('keeps the order of frames from different chunks', async () => {
    const first = new FrameWriter()
    const second = new FrameWriter()
    sendFrames(channel, first, ['1'])
    sendFrames(channel, second, ['2'])
    sendFrames(channel, first, ['3', '4'])
    const value = Buffer.from('value')
    channel.send(value, 0, value.length)
    sendFrames(channel, second, ['5'])
    const expected = Buffer.concat([...['1', '2', '3', '4'].map(frameOf), value, frameOf('5')])
    expect(await receive(pair.far, expected.length)).toEqual(expected)
  })

  it('counts what has not left yet', async () => {
    expect(channel.outgoingBytes).toBe(0)
    sendFrames(channel, new FrameWriter(), ['one'])
    expect(channel.outgoingBytes).toBe(frameOf('one').length)
    await receive(pair.far, frameOf('one').length)
    await vi.waitFor(() => expect(channel.outgoingBytes).toBe(0))
  })

  it('sends what is left before it ends', async () => {
    sendFrames(channel, new FrameWriter(), ['last words'])
    channel.end()
    expect((await receive(pair.far, 19)).toString()).toContain('last words')
    await owner.closed
    expect(owner.closes).toEqual([undefined])
  })

  it('sends nothing any more once it is destroyed', async () => {
    const write = vi.spyOn(pair.near, 'write')
    sendFrames(channel, new FrameWriter(), ['one'])
    channel.destroy()
    sendFrames(channel, new FrameWriter(), ['two'])
    await once(pair.far.resume(), 'close')
    expect(write).not.toHaveBeenCalled()
    expect(channel.isOpen).toBe(false)
  })
})

describe('Channel, receiving', () => {
  it('hands out frames in order, however they come', async () => {
    const bytes = Buffer.concat(['a', 'bb', 'ccc'].map(frameOf))
    pair.far.write(bytes.subarray(0, 7))
    await once(pair.near, 'data')
    pair.far.write(bytes.subarray(7))
    await vi.waitFor(() => expect(owner.bodies).toEqual(['a', 'bb', 'ccc']))
  })

  it('leaves frames alone while its owner is saturated', async () => {
    owner.onBody = (body) => {
      owner.saturated = body === '2'
    }
    pair.far.write(Buffer.concat(['1', '2', '3', '4'].map(frameOf)))
    await vi.waitFor(() => expect(owner.bodies).toEqual(['1', '2']))
    expect(pair.near.isPaused()).toBe(true)
    channel.resume()
    expect(owner.bodies).toEqual(['1', '2'])
    owner.saturated = false
    channel.resume()
    expect(owner.bodies).toEqual(['1', '2', '3', '4'])
    expect(pair.near.isPaused()).toBe(false)
  })

  it('stops reading while the peer does not read, and goes on when it does', async () => {
    const answer = Buffer.alloc(LIMITS.outgoingBytesMax + 1_000_000)
    owner.onBody = (body) => {
      if (body === 'ask') channel.send(answer, 0, answer.length)
    }
    pair.far.pause()
    pair.far.write(Buffer.concat([frameOf('ask'), frameOf('next')]))
    await vi.waitFor(() => expect(owner.bodies).toEqual(['ask']))
    expect(pair.near.isPaused()).toBe(true)
    await receive(pair.far, answer.length)
    await vi.waitFor(() => expect(owner.bodies).toEqual(['ask', 'next']))
  })

  it('ends once, with the owner’s error, after the peer has been told', async () => {
    const error = new Error('broken')
    owner.onBody = () => {
      throw error
    }
    owner.onFault = (fault) => {
      owner.faults.push(fault)
      sendFrames(channel, new FrameWriter(), ['told'])
    }
    pair.far.write(Buffer.concat([frameOf('a'), frameOf('b')]))
    expect((await receive(pair.far, 13)).toString()).toContain('told')
    await once(pair.far, 'close')
    expect(owner.bodies).toEqual(['a'])
    expect(owner.faults).toEqual([error])
    expect(owner.closes).toEqual([error])
  })

  it('ends with a protocol error for a length that no frame has', async () => {
    pair.far.write(Buffer.from([0, 0, 0, 0]))
    await owner.closed
    expect(owner.faults).toEqual([expect.objectContaining({ code: 'PARTYD_PROTOCOL' })])
    expect(owner.closes).toEqual(owner.faults)
  })

  it('keeps nothing of what a peer goes on sending after its fault', async () => {
    const append = vi.spyOn(channel.reader, 'append')
    pair.far.write(Buffer.from([0, 0, 0, 0]))
    await owner.closed
    const before = append.mock.calls.length
    pair.far.write(Buffer.alloc(100_000))
    await once(pair.near, 'data')
    expect(append).toHaveBeenCalledTimes(before)
  })

  it('tells of a peer that closes, without an error', async () => {
    pair.far.write(frameOf('whole'))
    pair.far.end(frameOf('half').subarray(0, 11))
    await owner.closed
    expect(owner.bodies).toEqual(['whole'])
    expect(owner.closes).toEqual([undefined])
  })

  it('tells why when it is destroyed with a reason', () => {
    const error = new Error('no more')
    channel.destroy(error)
    channel.destroy(new Error('again'))
    expect(owner.closes).toEqual([error])
  })
})
