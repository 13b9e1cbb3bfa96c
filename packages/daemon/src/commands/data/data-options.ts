// What the data commands have in common: sublevels, encodings and ranges, as options and as what
// was typed.

import type { CommandInput, CommandOption } from '../command.js'
import { UsageError } from '../failure.js'
import {
  type ByteEncoding,
  ENCODINGS,
  type EncodingName,
  encodeArgument,
  findEncoding,
  quote
} from './byte-encoding.js'
import { type ByteRange, narrow } from './byte-range.js'

export const SUBLEVEL: CommandOption = {
  flags: '--sublevel <name>',
  description: 'work on this sublevel; given again, on the one inside it',
  isRepeatable: true
}

const KEY_ENCODING: CommandOption = {
  flags: '--key-encoding <encoding>',
  description: 'how keys are given and shown',
  choices: ENCODINGS,
  default: 'utf8'
}

const VALUE_ENCODING: CommandOption = {
  flags: '--value-encoding <encoding>',
  description: 'how values are given and shown',
  choices: ENCODINGS,
  default: 'utf8'
}

/** Of commands that know keys only. */
export const KEY_OPTIONS: readonly CommandOption[] = [SUBLEVEL, KEY_ENCODING]

export const ENTRY_OPTIONS: readonly CommandOption[] = [...KEY_OPTIONS, VALUE_ENCODING]

export const SYNC: CommandOption = {
  flags: '--sync',
  description: 'wait until it is on the disk'
}

export const BOUNDS: readonly CommandOption[] = [
  { flags: '--gte <key>', description: 'from this key on' },
  { flags: '--gt <key>', description: 'from behind this key on' },
  { flags: '--lte <key>', description: 'up to this key' },
  { flags: '--lt <key>', description: 'up to before this key' },
  { flags: '--prefix <key>', description: 'only keys that begin like this, byte for byte' }
]

export const LIMIT: CommandOption = {
  flags: '--limit <n>',
  description: 'no more than so many',
  parse: parseCount
}

export const REVERSE: CommandOption = { flags: '--reverse', description: 'from the last key on' }

/** What was typed for them, by name in camel case. */
interface DataOptions {
  readonly sublevel?: readonly string[]
  readonly keyEncoding: EncodingName
  readonly valueEncoding?: EncodingName
  readonly gte?: string
  readonly gt?: string
  readonly lte?: string
  readonly lt?: string
  readonly prefix?: string
  readonly limit?: number
  readonly reverse?: boolean
}

/** The same, understood. */
export interface DataInput {
  readonly directory: string
  /** From the outermost to the one that is meant; none for the database itself. */
  readonly sublevels: readonly string[]
  readonly keys: ByteEncoding
  readonly values: ByteEncoding
  readonly range: ByteRange
  /** Infinity without. */
  readonly limit: number
  readonly isReverse: boolean
}

/** @throws UsageError when a key is none of its encoding, or no sublevel can be named so. */
export function readDataInput({ arguments: [directory = ''], options }: CommandInput): DataInput {
  const given = options as unknown as DataOptions
  const keys = findEncoding(given.keyEncoding)
  const { gte, gt, lte, lt, prefix, limit, sublevel } = given
  const bounds = Object.entries({ gte, gt, lte, lt })
    .filter((entry): entry is [string, string] => entry[1] !== undefined)
    .map(([name, text]) => [name, encodeArgument(text, keys)])
  return {
    directory,
    sublevels: checkNames(sublevel ?? []),
    keys,
    values: findEncoding(given.valueEncoding ?? 'utf8'),
    range: narrow({ ...Object.fromEntries(bounds), prefix: encodePrefix(prefix, keys) }),
    limit: limit ?? Number.POSITIVE_INFINITY,
    isReverse: given.reverse === true
  }
}

/** Before a daemon is started, and a location made, for nothing. */
function checkNames(names: readonly string[]): readonly string[] {
  for (const name of names) {
    if (/^[#-~]+$/.test(name)) continue
    const hint =
      'Names are of ASCII from # to ~. One inside another is given by a second --sublevel.'
    throw new UsageError(`no sublevel can be named ${quote(name)}`, hint)
  }
  return names
}

/** Of JSON a prefix is the beginning of the text, which is no JSON itself: `["user",`. */
function encodePrefix(prefix: string | undefined, keys: ByteEncoding): Buffer | undefined {
  if (prefix === undefined) return undefined
  return encodeArgument(prefix, keys.name === 'json' ? findEncoding('utf8') : keys)
}

function parseCount(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(count)) return count
  throw new TypeError('give a whole number')
}
