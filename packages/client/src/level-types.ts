// The names under which users of `level` know the types of this API.

import type {
  AbstractBatchOperation,
  AbstractBatchOptions,
  AbstractChainedBatch,
  AbstractChainedBatchWriteOptions,
  AbstractClearOptions,
  AbstractDatabaseOptions,
  AbstractDelOptions,
  AbstractGetManyOptions,
  AbstractGetOptions,
  AbstractHasManyOptions,
  AbstractHasOptions,
  AbstractIterator,
  AbstractIteratorOptions,
  AbstractKeyIterator,
  AbstractKeyIteratorOptions,
  AbstractOpenOptions,
  AbstractPutOptions,
  AbstractSnapshot,
  AbstractValueIterator,
  AbstractValueIteratorOptions,
  Transcoder
} from 'abstract-level'
import type { PartyOptions } from './options.js'

/**
 * LevelDB's open options, as in classic-level. They take effect in a daemon that this client
 * starts; a daemon that runs already keeps its own.
 */
interface LevelOptions {
  /** Compress blocks with Snappy. Default: true. */
  compression?: boolean | undefined
  /** Bytes of uncompressed blocks to cache. Default: 8 MiB. */
  cacheSize?: number | undefined
  /** Bytes of the in-memory log. Default: 4 MiB. */
  writeBufferSize?: number | undefined
  /** Approximate bytes of a table block. Default: 4096. */
  blockSize?: number | undefined
  /** Files that LevelDB may have open. Default: 1000. */
  maxOpenFiles?: number | undefined
  /** Entries between full keys in a block. Default: 16. */
  blockRestartInterval?: number | undefined
  /** Bytes of a table file. Default: 2 MiB. */
  maxFileSize?: number | undefined
  /**
   * Have writes that do not say otherwise wait for the disk: those of this client, and of all clients
   * of a daemon that it starts. Default: false.
   */
  sync?: boolean | undefined
  /** Accepted for compatibility; worker threads share a location like processes do. */
  multithreading?: boolean | undefined
}

/** Options of `open()`. */
export interface OpenOptions extends AbstractOpenOptions, LevelOptions, PartyOptions {}

/** Options of the constructor: those of `open()`, and the default encodings. */
export interface DatabaseOptions<K, V>
  extends AbstractDatabaseOptions<K, V>,
    LevelOptions,
    PartyOptions {}

/** Options of `approximateSize()` and `compactRange()`. */
export interface StartEndOptions<K> {
  /** Encodes `start` and `end`. Default: the database's. */
  keyEncoding?: string | Transcoder.PartialEncoder<K> | undefined
}

interface FillCache {
  /** Whether LevelDB keeps what was read in its cache. Default: true, but false for iterators. */
  fillCache?: boolean | undefined
}

interface Sync {
  /** Whether the promise waits until the data is on the disk. Default: as the database was opened, or false. */
  sync?: boolean | undefined
}

/** Options of `iterator()`, `keys()` and `values()` beside abstract-level's. */
export interface AdditionalIteratorOptions extends FillCache {
  /** Bytes of entries to ask for at a time. Default: 64 KiB, and less for the first entry. */
  highWaterMarkBytes?: number | undefined
}

export interface GetOptions<K, V> extends AbstractGetOptions<K, V>, FillCache {}
export interface GetManyOptions<K, V> extends AbstractGetManyOptions<K, V>, FillCache {}
export interface HasOptions<K> extends AbstractHasOptions<K>, FillCache {}
export interface HasManyOptions<K> extends AbstractHasManyOptions<K>, FillCache {}
export interface PutOptions<K, V> extends AbstractPutOptions<K, V>, Sync {}
export interface DelOptions<K> extends AbstractDelOptions<K>, Sync {}
export interface BatchOptions<K, V> extends AbstractBatchOptions<K, V>, Sync {}
export interface ChainedBatchWriteOptions extends AbstractChainedBatchWriteOptions, Sync {}
/** What the database held at one moment. Close it when it is not needed any more. */
export type Snapshot = AbstractSnapshot
export type ClearOptions<K> = AbstractClearOptions<K>
export type BatchOperation<TDatabase, K, V> = AbstractBatchOperation<TDatabase, K, V>
export interface ChainedBatch<TDatabase, K, V> extends AbstractChainedBatch<TDatabase, K, V> {
  write(): Promise<void>
  write(options: ChainedBatchWriteOptions): Promise<void>
}
export type Iterator<TDatabase, K, V> = AbstractIterator<TDatabase, K, V>
export type KeyIterator<TDatabase, K> = AbstractKeyIterator<TDatabase, K>
export type ValueIterator<TDatabase, K, V> = AbstractValueIterator<TDatabase, K, V>
export interface IteratorOptions<K, V>
  extends AbstractIteratorOptions<K, V>,
    AdditionalIteratorOptions {}
export interface KeyIteratorOptions<K>
  extends AbstractKeyIteratorOptions<K>,
    AdditionalIteratorOptions {}
export interface ValueIteratorOptions<K, V>
  extends AbstractValueIteratorOptions<K, V>,
    AdditionalIteratorOptions {}
