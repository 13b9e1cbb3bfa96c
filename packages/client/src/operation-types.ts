// What the operations that `level` has not take and give.

import type { AbstractDelOptions, AbstractPutOptions } from 'abstract-level'
import type { PutOptions } from './level-types.js'

interface InSublevel {
  /** A sublevel of the same database, in which the key is. Default: where the atomic was made. */
  sublevel?: { readonly prefix: string; readonly db: object } | undefined
}

/** Options of `check()` and `put()` of an atomic. */
export interface AtomicPutOptions<K, V>
  extends Pick<AbstractPutOptions<K, V>, 'keyEncoding' | 'valueEncoding'>,
    InSublevel {}
/** Options of `del()` of an atomic. */
export interface AtomicDelOptions<K>
  extends Pick<AbstractDelOptions<K>, 'keyEncoding'>,
    InSublevel {}
/** Options of `commit()` of an atomic. */
export interface AtomicCommitOptions extends Pick<PutOptions<unknown, unknown>, 'sync'> {}

interface Signal {
  /** Ends it with `LEVEL_ABORTED`. */
  signal?: AbortSignal | undefined
}

/** Options of `update()`. Once it is aborted nothing is written any more, nor has been. */
export interface UpdateOptions<K, V> extends PutOptions<K, V>, Signal {}

/** Which keys to watch: all, or those within the bounds. `gte` and `lte` win over `gt` and `lt`. */
export interface WatchRange<K> {
  gt?: K | undefined
  gte?: K | undefined
  lt?: K | undefined
  lte?: K | undefined
}

/** Options of `watch()`. */
export interface WatchOptions<K, V>
  extends Pick<AbstractPutOptions<K, V>, 'keyEncoding' | 'valueEncoding'>,
    Signal {}

/**
 * Makes the new value of the one that is there, or of undefined if there is none. Undefined as the
 * new value deletes the key. Called again whenever another write came in between.
 */
export type UpdateFunction<V> = (value: V | undefined) => V | undefined | Promise<V | undefined>

interface ChangeOfKey<K> {
  readonly key: K
  /** Counts the writes that the daemon has told watches of. Starts anew with each daemon. */
  readonly seq: number
  /** Whether it is the last change of its write, of those that this watch sees. */
  readonly last: boolean
}

/** An entry was put. */
export interface PutChange<K, V> extends ChangeOfKey<K> {
  readonly type: 'put'
  readonly value: V
}

/** An entry was deleted, if it was there: LevelDB does not look. */
export interface DelChange<K> extends ChangeOfKey<K> {
  readonly type: 'del'
}

/** Changes were missed. Whatever was read before has to be read again. */
export interface ResetChange {
  readonly type: 'reset'
}

/** What a watch yields. */
export type Change<K, V> = PutChange<K, V> | DelChange<K> | ResetChange
