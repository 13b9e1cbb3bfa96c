// The lines of an export: what is no such line, and why.

import { describe, expect, it } from 'vitest'
import {
  type Entry,
  ExportReader,
  encodeEntry,
  encodeLongEntry,
  HEADER_LINE,
  LineError
} from '../../packages/daemon/src/commands/copy/export-format.js'
import { readLineBlocks } from '../../packages/daemon/src/commands/copy/line-blocks.js'
import { fitParts } from '../../packages/daemon/src/commands/copy/progress.js'

const HEADER = HEADER_LINE.trim()

function readAll(lines: readonly string[], fromLine = 1): (Entry | undefined)[] {
  const reader = new ExportReader(fromLine)
  return lines.map((line, index) => reader.read(line, index + 1, false))
}

const WRONG: readonly [what: string, line: string, reason: string][] = [
  ['no JSON', '{"key":"a"', 'it is no JSON'],
  ['no object', 'null', 'it is no JSON object'],
  ['no entry', '{"key":"a"}', 'it is no entry'],
  ['a value that is no text', '{"key":"a","value":1}', 'it is no entry'],
  ['a field that is not known', '{"key":"a","value":"1","valueEncodin":"hex"}', 'a field that'],
  ['another encoding', '{"key":"a","value":"1","valueEncoding":"hex"}', 'can be base64 only'],
  ['broken base64', '{"key":"a","value":"/wA","valueEncoding":"base64"}', 'is no base64'],
  ['half a pair', '{"key":"a","value":"\\ud800"}', 'half a pair of surrogates'],
  [
    'the error of an export',
    '{"schema":1,"error":{"code":"X"}}',
    'the export failed: {"code":"X"}'
  ],
  ['another first line', HEADER, 'another export begins']
]

describe('a line', () => {
  it.each(WRONG)('is refused that is %s, and counts', (_what, line, reason) => {
    const reader = new ExportReader(1)
    reader.read(HEADER, 1, false)
    expect(() => reader.read(line, 2, false)).toThrow(reason)
    expect(() => reader.read(line, 3, true)).toThrow(line === HEADER ? reason : 'was cut off')
  })

  it('is refused for what kept it from being read', () => {
    const wrong = new LineError('it is not UTF-8')
    expect(() => new ExportReader(1).read(wrong, 1, false)).toThrow(wrong)
  })

  it('may have an empty key, which LevelDB has, too', () => {
    expect(readAll([HEADER, encodeEntry(['', 'a'])])[1]).toEqual(['', 'a'])
    expect(readAll([HEADER, encodeEntry([Buffer.alloc(0), 'a'])])[1]).toEqual(['', 'a'])
  })

  it('may be the first behind a byte order mark', () => {
    expect(readAll([`\ufeff${HEADER}`, encodeEntry(['a', 'b'])])[1]).toEqual(['a', 'b'])
    expect(() => readAll([HEADER, `\ufeff${encodeEntry(['a', 'b'])}`])).toThrow('no JSON')
  })

  it('comes back as it was, in pieces if it is long', () => {
    const bytes = Buffer.from([0xff, 0, 0x80])
    const long = Buffer.alloc(1_000_001, 'é')
    expect(
      readAll([HEADER, encodeEntry(['a', 'é\n']), encodeEntry([bytes, bytes])]).slice(1)
    ).toEqual([
      ['a', 'é\n'],
      [bytes, bytes]
    ])
    const [, entry] = readAll([HEADER, [...encodeLongEntry(['a', long])].join('')])
    expect(long.equals(entry?.[1] as Buffer)).toBe(true)
  })
})

describe('an export', () => {
  it('begins with a line that says so, and of a schema that is known', () => {
    expect(() => readAll(['{"key":"a","value":""}'])).toThrow('an export begins with')
    expect(() => readAll(['{"schema":2,"format":"partyd-export"}'])).toThrow('cannot read')
  })

  it('ends with a line that counts, those that were passed over, too', () => {
    const lines = [HEADER, '{"key":"a","value":""}', '', '{"key":"b","value":""}']
    expect(readAll([...lines, '{"end":true,"entries":2}'], 4)).toEqual([
      undefined,
      undefined,
      undefined,
      ['b', ''],
      undefined
    ])
    expect(() => readAll([...lines, '{"end":true,"entries":3}'])).toThrow('counts 3 entries, but 2')
  })

  it('is read in lines, wherever its chunks begin and end', async () => {
    const text = Buffer.from('one\nzwö\n\nfour €\n\xffive')
    const bytes = Buffer.concat([text.subarray(0, -5), Buffer.from([0xff, 10]), Buffer.from('end')])
    for (let size = 1; size < bytes.length; size++) {
      const found: (string | LineError)[] = []
      let isCut = false
      for await (const block of readLineBlocks(chunksOf(bytes, size))) {
        found.push(...block.lines)
        isCut = block.isCut
      }
      expect(found.slice(0, 4)).toEqual(['one', 'zwö', '', 'four €'])
      expect(found.slice(4)).toEqual([new LineError('it is not UTF-8'), 'end'])
      expect(isCut).toBe(true)
    }
  })
})

it('passes over a line that is too long, and says so before its end', async () => {
  for (const size of [1, 3, 5, 7]) {
    const blocks = readLineBlocks(chunksOf(Buffer.from(`one\n${'x'.repeat(100)}\ntwo`), size), 20)
    const found: (string | LineError)[] = []
    for await (const { lines, bytesRead } of blocks) {
      found.push(...lines)
      if (lines[0] instanceof LineError) expect(bytesRead).toBeLessThan(40)
    }
    expect(found).toEqual(['one', new LineError('it is too long'), 'two'])
  }
})

it('shows of its progress what fits', () => {
  expect(fitParts(['50%', '3s left', '5 entries'], 80)).toBe('50% · 3s left · 5 entries')
  expect(fitParts(['50%', '3s left', '5 entries'], 25)).toBe('50% · 3s left')
})

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}
