import { ProtocolError, parseObject } from '@partyd/shared'
import { describe, expect, it } from 'vitest'

describe('parseObject', () => {
  it.each(['', '{', 'null', '[]', '1', '"text"', 'undefined'])('refuses %j', (text) => {
    expect(() => parseObject(text, 'hello')).toThrow(ProtocolError)
  })

  it('gives any object', () => {
    expect(parseObject('{"a":{"b":1}}', 'hello')).toEqual({ a: { b: 1 } })
  })
})
