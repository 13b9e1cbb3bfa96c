// What frames mean: kinds, flags, hello and its answer, result codes. PROTOCOL.md describes each body.

import type { DatabaseOptions } from '../daemon-arguments.js'
import { ProtocolError, type WireError } from '../errors.js'
import type { DaemonMode } from '../rendezvous.js'

/** The protocol versions this code speaks: lowest and highest. */
export const PROTOCOL_VERSIONS: readonly [number, number] = [1, 1]

/** Optional parts of the protocol that this code speaks. A peer uses only what both name. */
export const FEATURES: readonly string[] = [
  'hasMany',
  'snapshots',
  'properties',
  'atomic',
  'watch',
  'configure'
]

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

/** Where a write frame, counted from its first byte, has its sequence number and its settledThrough. */
export const SEQUENCE_OFFSET = 9
export const SETTLED_THROUGH_OFFSET = 17

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

/** What a connection is for: a database session with or without retry, or a question to the daemon. */
export type HelloMode = 'retry' | 'once' | 'control'

/** The first frame of a client. A `once` or `control` client sends no session fields. */
export interface Hello {
  proto: [number, number]
  version: string
  features: string[]
  mode: HelloMode
  /** Random text that ties an answer to its hello. */
  nonce: string
  /** That the client knows the token, where the daemon has proven the same. */
  proof?: string
  /** The client's process, for people who ask who is connected. */
  pid?: number
  /** 128 random bits, in hexadecimal; one for each `open()`. */
  sessionId?: string
  /** Counts the connections of the session, from 1. */
  attempt?: number
  /** The generation the client last heard of, or null. */
  generation?: string | null
  /** The daemon has answered every write up to this sequence number. */
  settledThrough?: number
  /** The last sequence number ever put on a socket. */
  sentThrough?: number
}

/** The daemon's answer to a hello it accepts. */
export interface Welcome {
  proto: number
  version: string
  features: string[]
  nonce: string
  instanceId: string
  pid: number
  mode: DaemonMode
  /** What the database was opened with, defaults included; an older daemon does not say. */
  options?: DatabaseOptions
  /** Changes whenever a record was removed without its client's goodbye; null while there are no records. */
  generation: string | null
  /** The last write of this session that is in the database; null when the daemon has no record of it. */
  applied: number | null
  /** Results other than plain success of the writes in (settledThrough, applied]: sequence number and code. */
  results: [sequence: number, code: number][]
}

/** What a daemon can be told to do otherwise while it runs. What is not there stays as it is. */
export interface Configuration {
  /** Least severe level to log. */
  logLevel?: string
  /** Milliseconds from which on an operation counts as slow; null for never. */
  slowOperationsMs?: number | null
  /** Milliseconds to stay without clients; null for ever. */
  idleTimeoutMs?: number | null
}

/** Levels of the log, least severe first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** Why a daemon says goodbye. */
export type GoodbyeReason = 'idle' | 'stop' | 'signal' | 'terminal-lost' | 'failed-write'

/** Sent unasked, with request id 0, when the daemon is about to go. */
export interface Goodbye {
  reason: GoodbyeReason
  message?: string
}

/** Parses the JSON of a control frame. @throws ProtocolError when it is not a JSON object. */
export function parseObject(text: string, name: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ProtocolError(`A ${name} is not JSON: ${(cause as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError(`A ${name} is not a JSON object`)
  }
  return value as Record<string, unknown>
}

/** @throws ProtocolError when it lacks its code or its message. */
export function parseWireError(text: string): WireError {
  const value = parseObject(text, 'error')
  if (typeof value['code'] !== 'string' || typeof value['message'] !== 'string') {
    throw new ProtocolError('An error lacks its code or its message')
  }
  return value as unknown as WireError
}

/** @throws ProtocolError when a field of the hello is missing or of the wrong type. */
export function parseHello(text: string): Hello {
  const value = parseObject(text, 'hello')
  const { proto, mode, sessionId, attempt, generation, settledThrough, sentThrough } = value
  const valid =
    Array.isArray(proto) &&
    proto.length === 2 &&
    proto.every(isCount) &&
    (mode === 'retry' || mode === 'once' || mode === 'control') &&
    typeof value['version'] === 'string' &&
    typeof value['nonce'] === 'string' &&
    isTextList(value['features']) &&
    (value['proof'] === undefined || typeof value['proof'] === 'string') &&
    (mode !== 'retry' ||
      (typeof sessionId === 'string' &&
        /^[0-9a-f]{32}$/.test(sessionId) &&
        isCount(attempt) &&
        (generation === null || typeof generation === 'string') &&
        isCount(settledThrough) &&
        isCount(sentThrough) &&
        settledThrough <= sentThrough))
  if (!valid) throw new ProtocolError('A hello lacks a field or has one of the wrong type')
  return value as unknown as Hello
}

/** @throws ProtocolError when a field of the welcome is missing or of the wrong type. */
export function parseWelcome(text: string): Welcome {
  const value = parseObject(text, 'welcome')
  const { mode, generation, applied, results, options = {} } = value
  const valid =
    isCount(value['proto']) &&
    typeof value['version'] === 'string' &&
    typeof value['nonce'] === 'string' &&
    typeof value['instanceId'] === 'string' &&
    isCount(value['pid']) &&
    isTextList(value['features']) &&
    (mode === 'auto' || mode === 'foreground' || mode === 'service') &&
    typeof options === 'object' &&
    options !== null &&
    (generation === null || typeof generation === 'string') &&
    (applied === null || isCount(applied)) &&
    Array.isArray(results) &&
    results.every(isResult)
  if (!valid) throw new ProtocolError('A welcome lacks a field or has one of the wrong type')
  return value as unknown as Welcome
}

/** @throws ProtocolError when a field of the configuration is of the wrong type. */
export function parseConfiguration(text: string): Configuration {
  const value = parseObject(text, 'configuration')
  const { logLevel, slowOperationsMs, idleTimeoutMs } = value
  const valid =
    (logLevel === undefined || (LOG_LEVELS as readonly unknown[]).includes(logLevel)) &&
    [slowOperationsMs, idleTimeoutMs].every((ms) => ms === undefined || ms === null || isCount(ms))
  if (!valid) throw new ProtocolError('A configuration has a field of the wrong type')
  return value as unknown as Configuration
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isResult(value: unknown): value is [sequence: number, code: number] {
  return Array.isArray(value) && value.length === 2 && value.every(isCount)
}
