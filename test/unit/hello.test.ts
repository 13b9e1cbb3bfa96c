import { ProtocolError, parseHello, parseWelcome } from '@partyd/shared'
import { describe, expect, it } from 'vitest'

const ONCE = { proto: [1, 1], version: '1.0.0', features: ['hasMany'], mode: 'once', nonce: 'abc' }
const RETRY = {
  ...ONCE,
  mode: 'retry',
  sessionId: '0123456789abcdef0123456789abcdef',
  attempt: 1,
  generation: null,
  settledThrough: 3,
  sentThrough: 5
}
const WELCOME = {
  proto: 1,
  version: '1.0.0',
  features: [],
  nonce: 'abc',
  instanceId: '0123456789abcdef',
  pid: 7,
  mode: 'auto',
  generation: 'abc',
  applied: null,
  results: []
}

describe('parseHello', () => {
  it.each([
    ONCE,
    { ...ONCE, mode: 'control' },
    { ...ONCE, proof: '00' },
    RETRY,
    { ...RETRY, settledThrough: 5 }
  ])('accepts a proper hello of mode $mode', (hello) => {
    expect(parseHello(JSON.stringify(hello))).toEqual(hello)
  })

  it('ignores unknown fields', () => {
    expect(parseHello(JSON.stringify({ ...RETRY, later: { field: true } })).mode).toBe('retry')
  })

  it.each(['proto', 'version', 'features', 'mode', 'nonce'])('refuses one without %s', (name) => {
    expect(() => parseHello(JSON.stringify({ ...ONCE, [name]: undefined }))).toThrow(ProtocolError)
  })

  it.each(['sessionId', 'attempt', 'generation', 'settledThrough', 'sentThrough'])(
    'refuses one of mode retry without %s, which the other modes do not need',
    (name) => {
      expect(() => parseHello(JSON.stringify({ ...RETRY, [name]: undefined }))).toThrow(
        ProtocolError
      )
      const once = { ...RETRY, mode: 'once', [name]: undefined }
      expect(() => parseHello(JSON.stringify(once))).not.toThrow()
    }
  )

  it.each<[string, unknown]>([
    ['proto', 1],
    ['proto', [1]],
    ['proto', [1, 1, 1]],
    ['proto', [-1, 1]],
    ['proto', ['1', '1']],
    ['proto', [1, 1.5]],
    ['version', 1],
    ['features', 'hasMany'],
    ['features', { length: 1 }],
    ['features', [1]],
    ['mode', 'other'],
    ['mode', null],
    ['nonce', 5],
    ['proof', 5],
    ['proof', null],
    ['sessionId', ''],
    ['sessionId', '0123456789ABCDEF0123456789ABCDEF'],
    ['sessionId', '0123456789abcdef0123456789abcdef0'],
    ['sessionId', `0123456789abcdef0123456789abcdef\n`],
    ['sessionId', 7],
    ['attempt', '1'],
    ['attempt', -1],
    ['attempt', 1.5],
    ['generation', 7],
    ['settledThrough', 6],
    ['settledThrough', -1],
    ['settledThrough', 2 ** 53],
    ['settledThrough', null],
    ['sentThrough', '5'],
    ['sentThrough', null]
  ])('refuses %s %j', (name, value) => {
    expect(() => parseHello(JSON.stringify({ ...RETRY, [name]: value }))).toThrow(ProtocolError)
  })
})

describe('parseWelcome', () => {
  it.each([WELCOME, { ...WELCOME, applied: 9, results: [[4, 1]], later: 'field' }])(
    'accepts a proper welcome',
    (welcome) => {
      expect(parseWelcome(JSON.stringify(welcome))).toEqual(welcome)
    }
  )

  it.each(Object.keys(WELCOME))('refuses one without %s', (name) => {
    expect(() => parseWelcome(JSON.stringify({ ...WELCOME, [name]: undefined }))).toThrow(
      ProtocolError
    )
  })

  it.each<[string, unknown]>([
    ['proto', '1'],
    ['proto', [1, 1]],
    ['version', 1],
    ['features', null],
    ['nonce', null],
    ['instanceId', 5],
    ['pid', '7'],
    ['pid', -7],
    ['mode', 'other'],
    ['generation', 7],
    ['generation', null],
    ['applied', '9'],
    ['applied', -1],
    ['results', {}],
    ['results', [4]],
    ['results', [[4]]],
    ['results', [['4', 1]]]
  ])('refuses %s %j', (name, value) => {
    expect(() => parseWelcome(JSON.stringify({ ...WELCOME, [name]: value }))).toThrow(ProtocolError)
  })
})
