import { describe, expect, it } from 'vitest'
import { SessionOrder } from '../../packages/daemon/dist/session/session-order.js'
import type { Write } from '../../packages/daemon/dist/store/write.js'

/** A session's order in front of a queue that keeps its writes until they are committed here. */
function createOrder() {
  const queued: Write[] = []
  const seen: number[] = []
  const commitQueue = {
    waiting: undefined,
    isForeseeable: false,
    enqueue: (write: Write) => queued.push(write)
  }
  const engine = { commitQueue, readPath: { isQuick: false } }
  const order: SessionOrder = new SessionOrder(
    engine as unknown as ConstructorParameters<typeof SessionOrder>[0],
    () => seen.push(order.pendingOperations)
  )
  return { order, queued, seen }
}

function put(order: SessionOrder): void {
  order.write([Buffer.from('key'), Buffer.from('value')], false, undefined, 0, () => {})
}

describe('the order of a session', () => {
  it('tells that there is room when what waited for a write has gone on', () => {
    const { order, queued, seen } = createOrder()
    const reads: string[] = []
    put(order)
    order.read(() => reads.push('first'))
    order.read(() => reads.push('second'))
    expect(order.pendingOperations).toBe(3)
    expect(reads).toEqual([])
    queued[0]?.onCommitted()
    expect(reads).toEqual(['first', 'second'])
    // Told before they went on, a connection that is full would stay paused, and nobody tell it again.
    expect(seen).toEqual([0])
  })

  it('counts the bytes of its writes until they are committed', () => {
    const { order, queued } = createOrder()
    put(order)
    put(order)
    expect(order.pendingBytes).toBe(16)
    queued[0]?.onCommitted()
    expect(order.pendingBytes).toBe(8)
  })
})
