// The first frame of a client and the daemon's answer to it: what they hold, and whether they hold it.

import type { DatabaseOptions } from '../daemon-arguments.js'
import { ProtocolError } from '../errors.js'
import type { DaemonMode } from '../rendezvous.js'
import { isCount, parseObject } from './json-body.js'

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
  /** 128 random bits, in hexadecimal; a database that loses its session's past begins another. */
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
  /** Changes whenever a record was removed without its client's goodbye. */
  generation: string
  /** The last write of this session that is in the database; null when the daemon has no record of it. */
  applied: number | null
  /** Results other than plain success of the writes in (settledThrough, applied]: sequence number and code. */
  results: [sequence: number, code: number][]
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
    typeof generation === 'string' &&
    (applied === null || isCount(applied)) &&
    Array.isArray(results) &&
    results.every(isResult)
  if (!valid) throw new ProtocolError('A welcome lacks a field or has one of the wrong type')
  return value as unknown as Welcome
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

function isResult(value: unknown): value is [sequence: number, code: number] {
  return Array.isArray(value) && value.length === 2 && value.every(isCount)
}
