// What the numbers in frames mean: kinds, flags and result codes. PROTOCOL.md describes each body.

/** Kinds of frames. Below 0x80 a client sends them, from 0x80 on the daemon. */
export const KIND = {
  hello: 0x01,
  settled: 0x02,
  ping: 0x03,
  status: 0x04,
  stop: 0x05,
  challenge: 0x06,
  configure: 0x07,

  get: 0x10,
  getMany: 0x11,
  has: 0x12,
  hasMany: 0x13,

  put: 0x20,
  del: 0x21,
  batch: 0x22,
  clear: 0x23,
  skip: 0x24,
  atomic: 0x25,

  iteratorOpen: 0x30,
  iteratorNext: 0x31,
  iteratorSeek: 0x32,
  iteratorClose: 0x33,

  snapshotOpen: 0x40,
  snapshotClose: 0x41,

  approximateSize: 0x42,
  compactRange: 0x43,
  getProperty: 0x44,

  watchOpen: 0x50,
  watchClose: 0x51,

  welcome: 0x80,
  error: 0x81,
  done: 0x82,
  value: 0x83,
  missing: 0x84,
  values: 0x85,
  presence: 0x86,
  entries: 0x87,
  info: 0x88,
  goodbye: 0x89,
  generation: 0x8a,
  changes: 0x8b,
  watchReset: 0x8c,
  proof: 0x8d
} as const

/** Names of operations, as errors carry them. */
export const OPERATION_NAMES: Readonly<Record<number, string>> = {
  [KIND.hello]: 'hello',
  [KIND.ping]: 'ping',
  [KIND.status]: 'info',
  [KIND.stop]: 'stop',
  [KIND.challenge]: 'hello',
  [KIND.configure]: 'configure',
  [KIND.get]: 'get',
  [KIND.getMany]: 'getMany',
  [KIND.has]: 'has',
  [KIND.hasMany]: 'hasMany',
  [KIND.put]: 'put',
  [KIND.del]: 'del',
  [KIND.batch]: 'batch',
  [KIND.clear]: 'clear',
  [KIND.skip]: 'skip',
  [KIND.atomic]: 'atomic',
  [KIND.iteratorOpen]: 'iterator',
  [KIND.iteratorNext]: 'iterator',
  [KIND.iteratorSeek]: 'iterator',
  [KIND.iteratorClose]: 'iterator',
  [KIND.snapshotOpen]: 'snapshot',
  [KIND.snapshotClose]: 'snapshot',
  [KIND.approximateSize]: 'approximateSize',
  [KIND.compactRange]: 'compactRange',
  [KIND.getProperty]: 'getProperty',
  [KIND.watchOpen]: 'watch',
  [KIND.watchClose]: 'watch'
}

/** Whether frames of this kind carry a sequence number. */
export function isWrite(kind: number): boolean {
  return kind >= KIND.put && kind <= KIND.atomic
}

/** Where a write frame, counted from its first byte, has its sequence number. */
export const SEQUENCE_OFFSET = 9

export const READ_FLAGS = { noFillCache: 1, snapshot: 2 } as const
export const WRITE_FLAGS = {
  sync: 1,
  /** Not even if that is the daemon's default. */
  noSync: 2
} as const
export const CLEAR_FLAGS = { reverse: 1, snapshot: 2 } as const
export const ITERATOR_FLAGS = {
  reverse: 1,
  keys: 2,
  values: 4,
  fillCache: 8,
  /** Keep the iterator, and its snapshot, until it is closed; else it may be closed when idle. */
  keep: 16,
  snapshot: 32
} as const
export const ANSWER_FLAGS = {
  /** values: more frames of this answer follow. entries: the iterator has reached its end. */
  more: 1,
  ended: 2
} as const
/** Of a change: put, or else del; the last one of its write that the watch sees. */
export const CHANGE_FLAGS = { put: 1, last: 2 } as const
export const RANGE_FLAGS = { gt: 1, gte: 2, lt: 4, lte: 8 } as const

/** A missing value among others. */
export const MISSING_LENGTH = 0xffff_ffff
/** No limit on the number of entries. */
export const NO_LIMIT: number = Number.MAX_SAFE_INTEGER

/** The result of a write: one byte in a record and in a welcome. */
export const RESULT = {
  ok: 0,
  checkFailed: 1,
  reservedKey: 2,
  readFailed: 3,
  snapshotLost: 4
} as const

/** Why a daemon says goodbye. */
export type GoodbyeReason = 'idle' | 'stop' | 'signal' | 'failed-write'
