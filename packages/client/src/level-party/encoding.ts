// The encodings of level-codec, level-party's: under other names than abstract-level's, more of them,
// and taking a Buffer as it is where text or bytes are expected.

/** An encoding of the user's own. */
export interface Encoding {
  encode(data: never): unknown
  decode(data: never): unknown
  /** Whether `decode` takes a Buffer instead of a string. Default: false. */
  buffer?: boolean
}

/** How keys and values are encoded; `encoding` is another name for `valueEncoding`. */
export interface EncodingOptions {
  keyEncoding?: string | Encoding | undefined
  valueEncoding?: string | Encoding | undefined
  encoding?: string | Encoding | undefined
}

/** An encoding as abstract-level takes it. */
export interface BufferEncoding {
  /** Not one of abstract-level's names, or it would be taken for that; without a name it gets one. */
  readonly name?: string
  readonly format: 'buffer'
  encode(data: unknown): Buffer
  decode(data: Buffer): unknown
}

type Encode = (data: unknown) => unknown
type Decode = (data: Buffer) => unknown

const NODE_ENCODINGS = ['hex', 'ascii', 'base64', 'ucs2', 'ucs-2', 'utf16le', 'utf-16le'] as const

const TEXT = define('utf8', orBuffer(String), String)
const NAMED = new Map([
  ['json', define('json', JSON.stringify, (data) => JSON.parse(String(data)))],
  [
    'binary',
    define(
      'binary',
      orBuffer((data) => Buffer.from(data as string)),
      (data) => data
    )
  ],
  ...NODE_ENCODINGS.map((name): [string, BufferEncoding] => [
    name,
    define(
      name,
      orBuffer((data) => Buffer.from(data as string, name)),
      (data) => data.toString(name)
    )
  ])
])

/** Made once each: abstract-level keeps every encoding it has seen, and tells them apart by identity. */
const OWN = new WeakMap<Encoding, BufferEncoding>()

/** As in level-codec, a name that is not known means text. */
export function toEncoding(encoding: string | Encoding = ''): BufferEncoding {
  if (typeof encoding === 'string') return NAMED.get(encoding) ?? TEXT
  const known = OWN.get(encoding)
  if (known !== undefined) return known
  const own = define(
    undefined,
    (data) => encoding.encode(data as never),
    (data) => encoding.decode((encoding.buffer ? data : String(data)) as never)
  )
  OWN.set(encoding, own)
  return own
}

const BOUNDS = new Set(['gt', 'gte', 'lt', 'lte'])

/**
 * The same options for an abstract-level database. Bounds that are empty are none, as they were.
 *
 * @throws Error for bounds of a name that level-party refused: ignoring one would widen the range.
 */
export function translateOptions(options: object | null | undefined): object {
  for (const name of ['start', 'end']) {
    if (Object.hasOwn(options ?? {}, name)) {
      throw new Error('Legacy range options ("start" and "end") have been removed')
    }
  }
  const { keyEncoding, valueEncoding, encoding, ...rest } = (options ?? {}) as EncodingOptions
  const value = valueEncoding || encoding
  const kept = Object.entries(rest).filter(
    ([name, option]) => !BOUNDS.has(name) || hasLength(option)
  )
  return {
    ...Object.fromEntries(kept),
    ...(keyEncoding && { keyEncoding: toEncoding(keyEncoding) }),
    ...(value && { valueEncoding: toEncoding(value) })
  }
}

/** How to decode an entry. */
export interface EntryEncoding {
  readonly key: BufferEncoding
  readonly value: BufferEncoding
}

/** Of options before the defaults of the database. */
export function entryEncoding(options: EncodingOptions, defaults: EncodingOptions): EntryEncoding {
  const { keyEncoding, valueEncoding, encoding } = defaults
  return {
    key: toEncoding(options.keyEncoding || keyEncoding),
    value: toEncoding(options.valueEncoding || options.encoding || valueEncoding || encoding)
  }
}

/** As `translateOptions()` does, for an iterator whose entries are to be decoded by its user. */
export function translateRange(options: object, { key }: EntryEncoding): object {
  const translated = Object.entries(translateOptions(options))
  const encoded = translated.map(([name, option]) =>
    BOUNDS.has(name) ? [name, key.encode(option)] : [name, option]
  )
  return { ...Object.fromEntries(encoded), keyEncoding: 'buffer', valueEncoding: 'buffer' }
}

function hasLength(bound: unknown): boolean {
  return (bound as string | null | undefined)?.length !== 0 && bound !== undefined && bound !== null
}

function define(name: string | undefined, encode: Encode, decode: Decode): BufferEncoding {
  return {
    ...(name !== undefined && { name: `level-party ${name}` }),
    format: 'buffer',
    encode: (data) => toBuffer(encode(data)),
    decode
  }
}

/** Whoever has bytes already need not say so by another encoding. */
function orBuffer(encode: Encode): Encode {
  return (data) => (Buffer.isBuffer(data) ? data : encode(data))
}

/** @throws TypeError for nothing, as JSON makes of a function. */
function toBuffer(data: unknown): Buffer {
  if (data === undefined || data === null) {
    throw new TypeError('key or value cannot be `null` or `undefined` once it is encoded')
  }
  return Buffer.isBuffer(data) ? data : Buffer.from(String(data))
}
