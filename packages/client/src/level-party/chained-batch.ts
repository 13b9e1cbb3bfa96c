// Operations that are gathered one by one, each encoded as it comes.

import { type Rest, settle } from './callback.js'
import { type Encoding, type EncodingOptions, toEncoding } from './encoding.js'
import { LevelPartyError } from './errors.js'

/** An operation of a batch, as it is given and as the event `batch` shows it. */
export interface Operation<K, V> extends EncodingOptions {
  type: 'put' | 'del'
  key: K
  value?: V
}

/** Writes operations that are encoded, or say how, and tells of them as they were given. */
export type WriteBatch<K, V> = (
  translated: object[],
  operations: Operation<K, V>[],
  rest: Rest<WriteOptions>
) => Promise<void>

/** Options of a write. */
export interface WriteOptions extends EncodingOptions {
  sync?: boolean | undefined
}

export class ChainedBatch<K, V> {
  readonly #defaults: EncodingOptions
  readonly #write: WriteBatch<K, V>
  #operations: Operation<K, V>[] = []
  #encoded: object[] = []
  #status: 'open' | 'written' = 'open'

  /** @internal */
  constructor(defaults: EncodingOptions, write: WriteBatch<K, V>) {
    this.#defaults = defaults
    this.#write = write
  }

  /** The number of operations gathered so far. */
  get length(): number {
    return this.#operations.length
  }

  /** @throws WriteError when there is no key or value, or after `write()`. */
  put(key: K, value: V, options?: EncodingOptions | null): this {
    return this.#add({ ...options, type: 'put', key, value })
  }

  /** @throws WriteError when there is no key, or after `write()`. */
  del(key: K, options?: EncodingOptions | null): this {
    return this.#add({ ...options, type: 'del', key })
  }

  /** Forgets what has been gathered. */
  clear(): this {
    this.#checkOpen()
    this.#operations = []
    this.#encoded = []
    return this
  }

  /** Writes all or nothing, once. */
  write(...rest: Rest<WriteOptions>): Promise<void> {
    if (this.#status === 'written') return settle(Promise.reject(writtenAlready()), rest)
    this.#status = 'written'
    return this.#write(this.#encoded, this.#operations, rest)
  }

  #add(operation: Operation<K, V>): this {
    this.#checkOpen()
    const { type, key, value, ...given } = operation
    const defaults = this.#defaults
    const valueEncoding = pickValueEncoding(given) ?? pickValueEncoding(defaults)
    this.#encoded.push({
      type,
      key: encode('key', key, given.keyEncoding ?? defaults.keyEncoding),
      keyEncoding: 'buffer',
      ...(type === 'put' && {
        value: encode('value', value, valueEncoding),
        valueEncoding: 'buffer'
      })
    })
    this.#operations.push(operation)
    return this
  }

  #checkOpen(): void {
    if (this.#status === 'written') throw writtenAlready()
  }
}

function writtenAlready(): LevelPartyError {
  return new LevelPartyError('WriteError', new Error('write() already called on this batch'))
}

function pickValueEncoding({
  valueEncoding,
  encoding
}: EncodingOptions): string | Encoding | undefined {
  return valueEncoding ?? encoding
}

function encode(what: string, data: unknown, encoding: string | Encoding | undefined): Buffer {
  try {
    if (data === null || data === undefined) {
      throw new TypeError(`${what} cannot be \`null\` or \`undefined\``)
    }
    return toEncoding(encoding).encode(data)
  } catch (error) {
    throw new LevelPartyError('WriteError', error)
  }
}
