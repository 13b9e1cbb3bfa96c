// How the bytes of keys and values are typed and shown: as text on the command line, in JSON, and
// escaped for people. No bytes are ever changed silently: what an encoding cannot tell is marked.

import { isUtf8 } from 'node:buffer'
import { UsageError } from '../failure.js'

/** The names that `level` has for them, and `raw` for `buffer`. */
export const ENCODINGS = ['utf8', 'json', 'hex', 'base64', 'buffer', 'raw', 'view'] as const

export type EncodingName = (typeof ENCODINGS)[number]

export interface ByteEncoding {
  readonly name: EncodingName
  /** Whether it is a text about the bytes. Otherwise what is piped in or out is the bytes themselves. */
  readonly isNotation: boolean
  /** The bytes of what was typed. @throws UsageError when it is none of this encoding. */
  encode(text: string): Buffer
  /** What JSON has of the bytes; undefined when they are none of this encoding. */
  decode(bytes: Buffer): unknown
  /** What a program is given of the bytes; undefined when they are none of this encoding. */
  format(bytes: Buffer): Uint8Array | string | undefined
}

type Coding = Omit<ByteEncoding, 'name'>

const utf8: Coding = {
  isNotation: false,
  encode: (text) => Buffer.from(text),
  decode: (bytes) => (isUtf8(bytes) ? bytes.toString() : undefined),
  format: (bytes) => bytes
}

/** In JSON they have no form of their own, so they are marked as what they become there. */
const buffer: Coding = { ...utf8, decode: () => undefined }

const hex: Coding = {
  isNotation: true,
  encode(text) {
    if (/^([0-9a-f]{2})*$/i.test(text)) return Buffer.from(text, 'hex')
    const hint = 'Give two digits 0-9 or a-f for each byte: 00ff.'
    throw new UsageError(`${quote(text)} is not hex`, hint)
  },
  decode: (bytes) => bytes.toString('hex'),
  format: (bytes) => bytes.toString('hex')
}

const base64: Coding = {
  isNotation: true,
  encode(text) {
    const bytes = Buffer.from(text, 'base64')
    // Node skips what it does not know; only what comes back as it was has been read in full.
    if (withoutPadding(bytes.toString('base64')) === withoutPadding(text)) return bytes
    throw new UsageError(`${quote(text)} is not base64`, 'Make it with: base64 -w 0.')
  },
  decode: (bytes) => bytes.toString('base64'),
  format: (bytes) => bytes.toString('base64')
}

const json: Coding = {
  isNotation: true,
  // As `level` stores it, or a key would be another.
  encode(text) {
    const value = parseJson(Buffer.from(text))
    if (value !== undefined) return Buffer.from(JSON.stringify(value))
    throw new UsageError(`${quote(text)} is not JSON`, `A string needs its quotes: '"text"'.`)
  },
  decode: (bytes) => (hasLongNumber(bytes) ? undefined : parseJson(bytes)),
  // As it is stored: parsed and printed again, a large number would be another.
  format: (bytes) => (parseJson(bytes) === undefined ? undefined : bytes)
}

const BY_NAME = { utf8, json, hex, base64, buffer, raw: buffer, view: buffer }

export function findEncoding(name: EncodingName): ByteEncoding {
  return { name, ...BY_NAME[name] }
}

/** The bytes of an argument. @throws UsageError when it is none of the encoding. */
export function encodeArgument(text: string, encoding: ByteEncoding): Buffer {
  // Node has made U+FFFD of arguments that are not UTF-8: what was meant is lost.
  if (!text.includes('\ufffd')) return encoding.encode(text)
  const hint = 'Give it as hex or base64 (--key-encoding, --value-encoding), or pipe the value in.'
  throw new UsageError(`${quote(text)} is not UTF-8, or has a U+FFFD in it`, hint)
}

/** The bytes of what was piped in. @throws UsageError when it is none of the encoding. */
export function encodeInput(bytes: Buffer, encoding: ByteEncoding): Buffer {
  if (!encoding.isNotation) return bytes
  if (!isUtf8(bytes)) throw new UsageError(`standard input is not ${encoding.name}`)
  // What programs print ends with a line feed.
  return encoding.encode(bytes.toString().trim())
}

/** A field for JSON; with `<field>Encoding` beside it when the bytes are none of the encoding. */
export function toField(
  field: 'key' | 'value',
  bytes: Buffer,
  encoding: ByteEncoding
): Record<string, unknown> {
  const decoded = encoding.decode(bytes)
  if (decoded !== undefined) return { [field]: decoded }
  return { [field]: bytes.toString('base64'), [`${field}Encoding`]: 'base64' }
}

/** On one line, for people: nothing in it breaks lines or columns, or tells a terminal what to do. */
export function toEscaped(bytes: Buffer, encoding: ByteEncoding): string {
  const formatted = encoding.format(bytes)
  return typeof formatted === 'string' ? formatted : escapeText(bytes)
}

/** As a message has it: on one line, and not all of it when it is long. */
export function quote(text: string): string {
  const start = text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text
  return `'${escapeText(Buffer.from(start))}'`
}

const QUOTED_MAX = 80

/** Whether a terminal shows these bytes as they are. */
export function isPlain(bytes: Buffer): boolean {
  return isUtf8(bytes) && !CONTROL_BUT_LAYOUT.test(bytes.toString())
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL_BUT_LAYOUT = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const ESCAPED = /[\x00-\x1f\x7f-\x9f\\]/g
const NAMES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r'
}

/** Of each byte that is not shown, `\xNN`; reversible, as a backslash becomes two. */
function escapeText(bytes: Buffer): string {
  if (!isUtf8(bytes)) return splitText(bytes)
  return bytes.toString().replace(ESCAPED, escapeCharacter)
}

function escapeCharacter(character: string): string {
  return NAMES[character] ?? escapeBytes(Buffer.from(character))
}

function escapeBytes(bytes: Buffer): string {
  return bytes.toString('hex').replace(/../g, '\\x$&')
}

/** The text in bytes that are not all text. */
function splitText(bytes: Buffer): string {
  let escaped = ''
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at)
    const character = bytes.subarray(at, at + Math.max(length, 1))
    escaped += length === 0 ? escapeBytes(character) : escapeText(character)
    at += character.length
  }
  return escaped
}

/** @returns how many bytes the character has; 0 when there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at] as number
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
  return isUtf8(bytes.subarray(at, at + length)) ? length : 0
}

function parseJson(bytes: Buffer): unknown {
  try {
    return isUtf8(bytes) ? JSON.parse(bytes.toString()) : undefined
  } catch {
    return undefined // The one thing that JSON.parse throws is that it is no JSON.
  }
}

/** Whether JavaScript may have no number of that many digits, so that printed again it would be another. */
function hasLongNumber(bytes: Buffer): boolean {
  const text = bytes.toString()
  return LONG_NUMBER.test(text) && JSON.stringify(parseJson(bytes)) !== text
}

const LONG_NUMBER = /\d{16}/

function withoutPadding(text: string): string {
  return text.replace(/=+$/, '')
}
