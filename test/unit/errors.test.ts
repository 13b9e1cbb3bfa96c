import {
  fromWireError,
  LevelError,
  PARTY_ERRORS,
  PartyError,
  type PartyErrorCode,
  ProtocolError,
  toWireError,
  type WireError
} from '@partyd/shared'
import { describe, expect, it } from 'vitest'

const DETAILS = { operation: 'put', path: '/data', pid: 12, endpoint: '/data/partyd.sock' }

/** Over the socket and back. */
function travel(error: unknown): PartyError | LevelError {
  return fromWireError(JSON.parse(JSON.stringify(toWireError(error))) as WireError)
}

describe('errors over the wire', () => {
  it.each(Object.keys(PARTY_ERRORS) as PartyErrorCode[])('keep everything of a %s', (code) => {
    const error = travel(new PartyError(code, 'what happened', DETAILS))
    expect(error).toBeInstanceOf(PartyError)
    expect(error).toMatchObject({ ...DETAILS, name: 'PartyError', code, message: 'what happened' })
  })

  it.each(['LEVEL_LOCKED', 'LEVEL_CORRUPTION', 'LEVEL_OF_TOMORROW'])('keep %s', (code) => {
    const error = travel(new LevelError(code, 'IO error: /data/LOCK', DETAILS))
    expect(error).toBeInstanceOf(LevelError)
    expect(error).toMatchObject({ ...DETAILS, code, message: 'IO error: /data/LOCK' })
  })

  it('keep the name of an abort', () => {
    expect(travel(new LevelError('LEVEL_ABORTED', 'aborted')).name).toBe('AbortError')
  })

  it('keep a code that is not an own property of the table as the database’s', () => {
    expect(travel(new LevelError('toString', 'x'))).toBeInstanceOf(LevelError)
  })

  it.each([
    ['an error without a code', new RangeError('too far')],
    ['an error whose code is a number', new DOMException('too far', 'AbortError')],
    ['something that is no error', 'too far']
  ])('give %s a code', (_name, thrown) => {
    expect(travel(thrown)).toMatchObject({ code: 'LEVEL_REMOTE_ERROR', message: 'too far' })
  })

  it('leave out what is not known', () => {
    expect(toWireError(new PartyError('PARTYD_TIMEOUT', 'late'))).toEqual({
      code: 'PARTYD_TIMEOUT',
      message: 'late'
    })
    expect(Object.keys(travel(new PartyError('PARTYD_TIMEOUT', 'late'))).sort()).toEqual([
      'code',
      'name'
    ])
  })

  it('add details that the error lacks and keep those it has', () => {
    const error = new PartyError('PARTYD_TIMEOUT', 'late', { operation: 'put' })
    expect(toWireError(error, { operation: 'get', pid: 5 })).toMatchObject({
      operation: 'put',
      pid: 5
    })
  })
})

describe('PartyError', () => {
  it('keeps its cause, and has none if there is none', () => {
    const cause = new Error('behind it')
    expect(new PartyError('PARTYD_TIMEOUT', 'late', { cause }).cause).toBe(cause)
    expect('cause' in new PartyError('PARTYD_TIMEOUT', 'late')).toBe(false)
  })

  it('is what a ProtocolError is', () => {
    expect(new ProtocolError('garbage')).toMatchObject({ code: 'PARTYD_PROTOCOL' })
    expect(new ProtocolError('garbage')).toBeInstanceOf(PartyError)
  })
})
