import { describe, expect, it } from 'vitest'
import type { Write } from '../../packages/daemon/dist/store/write.js'
import { WriteGroup } from '../../packages/daemon/dist/store/write-group.js'

function write(pairs?: readonly (string | undefined)[]): Write {
  const bytes = pairs?.map((part) => (part === undefined ? undefined : Buffer.from(part)))
  return {
    sync: false,
    operations: 1,
    bytes: 0,
    pairs: bytes,
    fill: () => {},
    onCommitted: () => undefined
  }
}

describe('a group of writes', () => {
  it('tells the last value of a key, a deletion, and what no write touches', () => {
    const group = new WriteGroup([write(['a', '1', 'b', '2'])])
    expect(group.foresee('a')).toEqual(Buffer.from('1'))
    group.push(write(['a', '3', 'b', undefined]))
    expect(group.foresee('a')).toEqual(Buffer.from('3'))
    expect(group.foresee('b')).toBeNull()
    expect(group.foresee('c')).toBeUndefined()
  })

  it('is not foreseeable with a write of which it is not known what it will do', () => {
    const group = new WriteGroup([write(['a', '1'])])
    expect(group.isForeseeable).toBe(true)
    group.push(write())
    expect(group.isForeseeable).toBe(false)
    expect(new WriteGroup([write()]).isForeseeable).toBe(false)
  })
})
