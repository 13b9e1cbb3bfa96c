import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type EncodingName,
  encodeArgument,
  encodeInput,
  findEncoding,
  isPlain,
  quote,
  toEscaped,
  toField
} from '../../packages/daemon/dist/commands/data/byte-encoding.js'

const bytes = fc.oneof(
  fc.uint8Array().map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  // Text and what is not, side by side.
  fc
    .array(
      fc.constantFrom('e4', 'c3a4', 'e282ac', 'f09f9880', '5c', '09', '0a', 'ff', '61', 'c29b')
    )
    .map((list) => Buffer.from(list.join(''), 'hex'))
)

/** What the escapes stand for. */
function readEscaped(text: string): Buffer {
  const parts = text.match(/\\x[0-9a-f]{2}|\\[\\tnr]|[^\\]+/g) ?? []
  const names = new Map(Object.entries({ '\\\\': '\\', '\\t': '\t', '\\n': '\n', '\\r': '\r' }))
  return Buffer.concat(
    parts.map((part) =>
      part.startsWith('\\x')
        ? Buffer.from(part.slice(2), 'hex')
        : Buffer.from(names.get(part) ?? part)
    )
  )
}

describe('escaped bytes', () => {
  it('are one line without control characters, and can be read back', () => {
    fc.assert(
      fc.property(bytes, (key) => {
        const escaped = toEscaped(key, findEncoding('utf8'))
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
        expect(escaped).not.toMatch(/[\x00-\x1f\x7f-\x9f\ufffd]/)
        expect(readEscaped(escaped)).toEqual(key)
      }),
      { numRuns: 2_000 }
    )
  })

  it('are as they were where they are plain text', () => {
    expect(toEscaped(Buffer.from('käse 😀'), findEncoding('utf8'))).toBe('käse 😀')
    expect(toEscaped(Buffer.from('ä\xff', 'latin1'), findEncoding('utf8'))).toBe('\\xe4\\xff')
  })
})

describe('a field of JSON', () => {
  it.each<EncodingName>(['utf8', 'json', 'hex', 'base64', 'buffer'])(
    'of %s has all bytes, or says what they have become',
    (name) => {
      const encoding = findEncoding(name)
      fc.assert(
        fc.property(bytes, (value) => {
          const field = JSON.parse(JSON.stringify(toField('value', value, encoding)))
          if (field.valueEncoding === 'base64') {
            expect(Buffer.from(field.value, 'base64')).toEqual(value)
          } else if (name === 'json') {
            expect(field.value).toEqual(JSON.parse(value.toString()))
          } else {
            expect(encoding.encode(field.value)).toEqual(value)
          }
        })
      )
    }
  )

  it('is marked where the encoding cannot tell it', () => {
    const invalid = Buffer.from([0xff])
    expect(toField('key', invalid, findEncoding('utf8'))).toEqual({
      key: '/w==',
      keyEncoding: 'base64'
    })
    expect(toField('key', Buffer.from('{'), findEncoding('json'))).toEqual({
      key: 'ew==',
      keyEncoding: 'base64'
    })
    expect(toField('key', Buffer.from('a'), findEncoding('utf8'))).toEqual({ key: 'a' })
  })
})

describe('what is typed', () => {
  it.each<[EncodingName, string, string]>([
    ['utf8', 'ä', 'c3a4'],
    ['buffer', 'ä', 'c3a4'],
    ['hex', '00Ff', '00ff'],
    ['hex', '', ''],
    ['base64', '/w==', 'ff'],
    ['base64', '/w', 'ff'],
    ['json', '[ 1, "a" ]', Buffer.from('[1,"a"]').toString('hex')]
  ])('as %s: %s', (name, text, hex) => {
    expect(findEncoding(name).encode(text).toString('hex')).toBe(hex)
  })

  it.each<[EncodingName, string]>([
    ['json', 'a'],
    ['json', ''],
    ['hex', 'abc'],
    ['hex', 'xy'],
    ['base64', 'a'],
    ['base64', 'a b=']
  ])('is refused as %s: %s', (name, text) => {
    expect(() => findEncoding(name).encode(text)).toThrow(
      expect.objectContaining({ code: 'PARTYD_USAGE', hint: expect.any(String) })
    )
  })
})

describe('an argument', () => {
  it('that has a U+FFFD may have been other bytes, and is refused', () => {
    for (const name of ['utf8', 'json'] as const) {
      expect(() => encodeArgument('"\ufffd"', findEncoding(name))).toThrow('is not UTF-8')
    }
  })

  it('is quoted on one line, and in part when it is long', () => {
    expect(quote('a\nb')).toBe("'a\\nb'")
    expect(quote('a'.repeat(1_000))).toHaveLength(83)
  })
})

describe('what is piped in', () => {
  it('is the bytes as they are, or a notation that ends with a line feed', () => {
    const bytes = Buffer.from([0xff, 0x0a])
    expect(encodeInput(bytes, findEncoding('utf8'))).toBe(bytes)
    expect(encodeInput(Buffer.from('ff0a\n'), findEncoding('hex'))).toEqual(bytes)
    const json = Buffer.from(' {"a": "\ufffd"}\n')
    expect(encodeInput(json, findEncoding('json')).toString()).toBe('{"a":"\ufffd"}')
    expect(() => encodeInput(bytes, findEncoding('json'))).toThrow('not json')
  })
})

it('knows what a terminal shows as it is', () => {
  expect(isPlain(Buffer.from('a\tb\nä'))).toBe(true)
  for (const text of ['\x1b[2J', 'a\r', '\x9b1m', '\0'])
    expect(isPlain(Buffer.from(text))).toBe(false)
  expect(isPlain(Buffer.from([0xff]))).toBe(false)
})
