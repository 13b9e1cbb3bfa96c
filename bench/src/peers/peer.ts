// What every adapter is: how a peer is served, and how a client process opens it. Each adapter is
// one file beside this one; nothing else knows what a peer needs.

import type { Read } from '../data-set.js'

/** How keys and values are read: as text or as Buffers. */
export type Encoding = 'utf8' | 'buffer'

/** The ways to read a range. */
export type ScanMethod = 'iterator' | 'nextv' | 'all' | 'keys' | 'reverse'

export interface ScanOptions {
  readonly method: ScanMethod
  readonly encoding: Encoding
  /** First key. Default: the first there is. */
  readonly gte?: string
  /** Entries at most. Default: all. */
  readonly limit?: number
}

/** Called for every entry in order. With keys only, the value is undefined. */
export type OnEntry = (key: Read, value: Read) => void

/** Everything a workload may ask for; what an adapter leaves out, its peer cannot do. */
export interface Store {
  /** False when there is no database behind it, and no value to check. Default: true. */
  readonly holdsData?: boolean
  get?(key: string, encoding: Encoding): Read | Promise<Read>
  put?(key: string, value: string, sync: boolean): unknown
  batch?(entries: readonly Entry[]): unknown
  getMany?(keys: string[]): readonly Read[] | Promise<readonly Read[]>
  scan?(options: ScanOptions, onEntry: OnEntry): void | Promise<void>
  close(): void | Promise<void>
}

export interface Entry {
  readonly type: 'put'
  readonly key: string
  readonly value: string
}

/** What serves a location, running. */
export interface Service {
  /** The process whose time and memory are the daemon's. */
  readonly pid: number
  /** What clients open: the location itself, or a socket. */
  readonly address: string
  /** Ends it and resolves when it has ended. */
  stop(): Promise<void>
}

export interface ServeOptions {
  /** Bytes of LevelDB's block cache. Default: the peer's own. */
  readonly cacheBytes?: number
  /** Arguments for Node in the served process, as for a profile. */
  readonly nodeArgs: readonly string[]
}

export interface Peer {
  readonly name: string
  /** One line for the table of peers. */
  readonly description: string
  /** How many processes can use one location at a time. */
  readonly processes: 'many' | 'one'
  /** What it can do of the workloads; a cell asks before it starts the peer. */
  readonly abilities: readonly Ability[]
  /** @throws Error when something it needs is not installed; the message says what. */
  require(): void | Promise<void>
  /** Starts what serves a location. Left out where the clients themselves open the database. */
  serve?(directory: string, options: ServeOptions): Promise<Service>
  /** Runs in a process of its own, which `serve` has started, and resolves when it serves. */
  host?(directory: string, options: ServeOptions): Promise<() => Promise<void>>
  /**
   * Opens a location on which nothing runs yet, as a user's first process does: whatever must be
   * started is started by this. Runs in a client process, as does what follows.
   */
  openCold?(directory: string): Promise<Store>
  /** The process whose end the others must survive, found from outside. Default: the first to open. */
  leaderPid?(directory: string): number
  open(address: string, options: ServeOptions): Promise<Store>
}

export type Ability =
  | 'point'
  | 'sync'
  | 'batch'
  | 'getMany'
  | 'iterator'
  | 'nextv'
  | 'buffer'
  | 'echo'
