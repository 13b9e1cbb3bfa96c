// The encodings of level-codec, level-party's: under other names than abstract-level's, more of them,
// and taking a Buffer as it is where text is expected.

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

const TEXT = define('utf8', (data) => data, String)
const NAMED = new Map([
  ['json', define('json', JSON.stringify, (data) => JSON.parse(String(data)))],
  [
    'binary',
    define(
      'binary',
      (data) => Buffer.from(data as Buffer),
      (data) => data
    )
  ],
  ...NODE_ENCODINGS.map((name): [string, BufferEncoding] => [
    name,
    define(
      name,
      (data) => Buffer.from(data as string, name),
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

function hasLength(bound: unknown): boolean {
  return (bound as string | null | undefined)?.length !== 0 && bound !== undefined && bound !== null
}

function define(name: string | undefined, encode: Encode, decode: Decode): BufferEncoding {
  return {
    ...(name !== undefined && { name: `level-party ${name}` }),
    format: 'buffer',
    encode: (data) => toBuffer(Buffer.isBuffer(data) ? data : encode(data)),
    decode
  }
}

function toBuffer(data: unknown): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(String(data))
}
