// The operations that `level` has not.

import type { Bytes, DaemonMode } from '@partyd/shared'
import type { AbstractSublevel, AbstractSublevelOptions } from 'abstract-level'
import type { Atomic } from './atomic.js'
import type { UpdateFunction, UpdateOptions, WatchOptions, WatchRange } from './operation-types.js'
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
