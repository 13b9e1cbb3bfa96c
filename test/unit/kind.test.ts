import { isWrite, KIND, OPERATION_NAMES } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { ANSWERS, CONTROL_REQUESTS, REQUESTS } from '../harness/valid-frames.js'

describe('kinds', () => {
  it('are different from each other', () => {
    const kinds = Object.values(KIND)
    expect(new Set(kinds).size).toBe(kinds.length)
  })

  it('have a valid frame each, which tests break', () => {
    const ofConnections = [
      ...['hello', 'settled', 'ping', 'status', 'stop', 'challenge'],
      ...['welcome', 'proof']
    ]
    const known = [...REQUESTS, ...CONTROL_REQUESTS, ...ANSWERS].map(([name]) => name)
    const named = new Set([...known, ...ofConnections])
    expect([...named].sort()).toEqual(Object.keys(KIND).sort())
  })

  it('carry a sequence number exactly when they write', () => {
    const writes = Object.entries(KIND).filter(([, kind]) => isWrite(kind))
    expect(writes.map(([name]) => name)).toEqual(['put', 'del', 'batch', 'clear', 'skip', 'atomic'])
  })

  it('have an operation name if they are requests with an answer', () => {
    const requests = Object.values(KIND).filter((kind) => kind < 0x80 && kind !== KIND.settled)
    expect(requests.filter((kind) => OPERATION_NAMES[kind] === undefined)).toEqual([])
  })
})
