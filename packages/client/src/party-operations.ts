// The operations that `level` has not, and the names of the types that they take and give.

import type { Bytes, DaemonMode } from '@partyd/shared'
import type {
  AbstractDelOptions,
  AbstractPutOptions,
  AbstractSublevel,
  AbstractSublevelOptions
} from 'abstract-level'
import type { Atomic } from './atomic.js'
import type { PutOptions } from './level-types.js'
import type { Watch } from './watch.js'

/** What a `PartyLevel` and its sublevels have beyond abstract-level. */
export interface PartyOperations<KDefault, VDefault> {
  /**
   * Checks and writes that happen in one step, or not at all:
   * `db.atomic().check(key, expected).put(key, value).commit()`. Happens once, whenever the daemon
   * dies. Emits no `write` event and runs no `prewrite` hook.
   */
  atomic(): Atomic<this, KDefault, VDefault>
  /**
   * Replaces a value by what `fn` makes of it. No write of any process is lost to it: if one came in
   * between, `fn` is called again with the value that is there then.
   *
   * @returns the new value; undefined if the key was deleted.
   * @throws PartyError `PARTYD_CONFLICT` when others kept writing for `retryTimeoutMs`; LevelError
   * `LEVEL_ABORTED` by the signal, and nothing has been written. What `fn` throws, and get and put do.
   */
  update(key: KDefault, fn: UpdateFunction<VDefault>): Promise<VDefault | undefined>
  update<K = KDefault, V = VDefault>(
    key: K,
    fn: UpdateFunction<V>,
    options: UpdateOptions<K, V>
  ): Promise<V | undefined>
  /**
   * Watches what all processes put and delete, this one included, in the order committed. It begins
   * behind the operations issued before it: whoever reads behind it misses nothing. What has been
   * read must be read again after a `reset`.
   *
   * @param range The keys to watch. Default: all.
   */
  watch(range?: WatchRange<KDefault>): Watch<KDefault, VDefault>
  watch<K = KDefault, V = VDefault>(range: WatchRange<K>, options: WatchOptions<K, V>): Watch<K, V>
}

/** A sublevel of a database or of a sublevel. */
export type Sublevel<TDatabase, K, V> = SublevelMaker &
  PartyOperations<K, V> &
  AbstractSublevel<TDatabase, Bytes, K, V>

/** Makes sublevels that are more than abstract-level's. */
export interface SublevelMaker {
  sublevel(name: string | string[]): Sublevel<this, string, string>
  sublevel<K = string, V = string>(
    name: string | string[],
    options: AbstractSublevelOptions<K, V>
  ): Sublevel<this, K, V>
}

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

/** What `info()` says of the daemon that serves the database. */
export interface DaemonInfo {
  readonly pid: number
  /** Of its package. */
  readonly version: string
  /** The path of its socket, or the name of its pipe. */
  readonly endpoint: string
  /** How it was started: by a client, by hand, or by a service manager. */
  readonly mode: DaemonMode
  readonly uptimeMs: number
  /** What it opened the database with, defaults included. */
  readonly options: Readonly<Record<string, boolean | number>>
  /** What it has done since it started, many-level guests not counted. */
  readonly counters: {
    /** Clients that are connected, guests among them. */
    readonly clients: number
    /** Requests of clients, and the writes among them. */
    readonly requests: number
    readonly writes: number
    /** LevelDB batches that the writes were gathered in. */
    readonly batches: number
    /** Snapshots that clients hold. */
    readonly snapshots: number
  }
}
