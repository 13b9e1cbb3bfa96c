// The lines of an export, there and back. One JSON object a line: a first one that says what it is,
// one for each entry in the order of the keys, and a last one with their count.

import { isUtf8 } from 'node:buffer'
import { type Bytes, LIMITS } from '@partyd/shared'
import { SCHEMA } from '../failure.js'

/** What the first line says, beside the schema. */
const FORMAT = 'partyd-export'

/**
 * Longer values are written as base64 even if they are text: in JSON a character can take six, and a
 * string has a longest length.
 */
const TEXT_LENGTH_MAX = 16 * 1024 * 1024
/** Of a long value, so many bytes at a time; a multiple of three, so that the pieces of base64 fit together. */
const PIECE_BYTES = 3 * 256 * 1024
/** What a frame holds beside the key and the value of a put, at most. */
const FRAME_REST_BYTES = 64

export type Entry = readonly [key: Bytes, value: Bytes]

type ExportLine =
  | { readonly type: 'header' }
  | { readonly type: 'entry'; readonly key: Bytes; readonly value: Bytes }
  | { readonly type: 'end'; readonly entries: number }

export const HEADER_LINE: string = `${JSON.stringify({ schema: SCHEMA, format: FORMAT })}\n`

export function encodeEnd(entries: number): string {
  return `${JSON.stringify({ end: true, entries })}\n`
}

/** Whether an entry is to be written by {@link encodeLongEntry}. */
export function isLongEntry([, value]: Entry): boolean {
  return value.length > TEXT_LENGTH_MAX
}

/** @param entry texts are taken to be what is stored; bytes are looked at. */
export function encodeEntry([key, value]: Entry): string {
  return `{${encodeField('key', key)},${encodeField('value', value)}}\n`
}

/** In pieces, because the whole of it in each of its forms may be a gigabyte. */
export function* encodeLongEntry([key, value]: Entry): Generator<string> {
  yield `{${encodeField('key', key)},"value":"`
  const bytes = Buffer.from(value as string)
  for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
    yield bytes.toString('base64', start, Math.min(start + PIECE_BYTES, bytes.length))
  }
  yield '","valueEncoding":"base64"}\n'
}

function encodeField(name: 'key' | 'value', data: Bytes): string {
  if (typeof data === 'string') return `"${name}":${JSON.stringify(data)}`
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return isUtf8(bytes)
    ? `"${name}":${JSON.stringify(bytes.toString())}`
    : `"${name}":"${bytes.toString('base64')}","${name}Encoding":"base64"`
}

/** What is wrong with a line. */
export class LineError extends Error {}

/** @throws LineError */
function decodeLine(line: string): ExportLine {
  const object = parse(line)
  if (typeof object['key'] === 'string' && typeof object['value'] === 'string') {
    return decodeEntry(object as unknown as EntryObject, line)
  }
  if (object['format'] !== undefined) return decodeHeader(object)
  if (object['end'] === true) return decodeEnd(object)
  const { error } = object
  if (typeof error === 'object') throw new LineError(`the export failed: ${JSON.stringify(error)}`)
  throw new LineError('it is no entry: `key` and `value` must be strings')
}

function parse(line: string): Readonly<Record<string, unknown>> {
  let object: unknown
  try {
    object = JSON.parse(line)
  } catch (error) {
    throw new LineError(`it is no JSON: ${(error as Error).message}`)
  }
  if (typeof object !== 'object' || object === null) throw new LineError('it is no JSON object')
  return object as Readonly<Record<string, unknown>>
}

function decodeHeader({ schema, format }: Readonly<Record<string, unknown>>): ExportLine {
  if (format !== FORMAT || schema !== SCHEMA) {
    throw new LineError(
      `it says ${JSON.stringify({ schema, format })}, which this partyd cannot read`
    )
  }
  return { type: 'header' }
}

function decodeEnd({ entries }: Readonly<Record<string, unknown>>): ExportLine {
  if (!Number.isSafeInteger(entries)) throw new LineError('`entries` is no number')
  return { type: 'end', entries: entries as number }
}

/** Reads an export line by line, and minds what has to come first and last. */
export class ExportReader {
  readonly #fromLine: number
  /** What is expected. */
  #status: 'header' | 'entries' | 'nothing' = 'header'
  #entries = 0

  /** @param fromLine lines before it, but for the first, are only counted. */
  constructor(fromLine: number) {
    this.#fromLine = fromLine
  }

  /** Whether the last line has come. */
  get isComplete(): boolean {
    return this.#status === 'nothing'
  }

  /**
   * @param text what is wrong with a line that could not be read.
   * @param isCut whether it lacks its end.
   * @returns the entry of the line, if it has one that is asked for.
   * @throws LineError
   */
  read(text: string | LineError, number: number, isCut: boolean): Entry | undefined {
    if (text instanceof LineError) {
      this.#entries++
      throw text
    }
    if (text === '') return undefined
    if (number < this.#fromLine && this.#status === 'entries') {
      this.#entries++
      return undefined
    }
    // Editors may put a byte order mark there.
    const line = this.#decode(number === 1 ? text.replace(/^\ufeff/, '') : text, isCut)
    if (line.type === 'header') {
      this.#status = 'entries'
      return undefined
    }
    if (line.type === 'end') {
      this.#end(line.entries)
      return undefined
    }
    this.#entries++
    return [line.key, line.value]
  }

  #decode(text: string, isCut: boolean): ExportLine {
    const line = this.#decodeOrCount(text, isCut)
    if ((line.type === 'header') === (this.#status === 'header')) return line
    if (this.#status === 'header') {
      this.#status = 'entries'
      if (line.type === 'entry') this.#entries++
      throw new LineError(`an export begins with ${HEADER_LINE.trim()}`)
    }
    throw new LineError('another export begins in the middle of this one')
  }

  #decodeOrCount(text: string, isCut: boolean): ExportLine {
    try {
      return decodeLine(text)
    } catch (error) {
      // It was to be one: the last line, which counts, need not be wrong, too.
      this.#entries++
      throw isCut ? new LineError('the export was cut off in the middle of this line') : error
    }
  }

  #end(entries: number): void {
    this.#status = 'nothing'
    if (entries === this.#entries) return
    throw new LineError(`it counts ${entries} entries, but ${this.#entries} have come`)
  }
}

interface EntryObject {
  readonly key: string
  readonly value: string
  readonly keyEncoding?: string
  readonly valueEncoding?: string
}

function decodeEntry(object: EntryObject, line: string): ExportLine {
  const { keyEncoding, valueEncoding } = object
  const known = 2 + (keyEncoding === undefined ? 0 : 1) + (valueEncoding === undefined ? 0 : 1)
  // A field with a typing error must not be one that is left out.
  if (Object.keys(object).length !== known) throw new LineError('it has a field that is not known')
  // Only an escape can bring half a pair, which no bytes stand for.
  const isEscaped = line.includes('\\u')
  const key = decodeField('key', object.key, keyEncoding, isEscaped)
  const value = decodeField('value', object.value, valueEncoding, isEscaped)
  if (byteLength(key) + byteLength(value) > LIMITS.frameBytesMax - FRAME_REST_BYTES) {
    throw new LineError('the entry is larger than partyd can take')
  }
  return { type: 'entry', key, value }
}

function decodeField(
  name: 'key' | 'value',
  text: string,
  encoding: string | undefined,
  isEscaped: boolean
): Bytes {
  if (encoding === undefined) {
    if (isEscaped && /\p{Surrogate}/u.test(text)) {
      throw new LineError(`the ${name} is no text that could be stored: half a pair of surrogates`)
    }
    return text
  }
  if (encoding !== 'base64') throw new LineError(`\`${name}Encoding\` can be base64 only`)
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new LineError(`the ${name} is no base64`)
  }
  return Buffer.from(text, 'base64')
}

/** In the database; of short text it is enough to know that it cannot be too long. */
function byteLength(data: Bytes): number {
  if (typeof data !== 'string') return data.byteLength
  return data.length > TEXT_LENGTH_MAX ? Buffer.byteLength(data) : data.length * 3
}
