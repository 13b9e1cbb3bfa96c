// What can be asked of a daemon beside the entries of its database.

import { type Bytes, type FrameReader, KIND, ProtocolError, parseObject } from '@partyd/shared'
import { decodeDone, decodeText, expectKind } from './answers.js'
import type { DaemonInfo } from './party-operations.js'
import type { Decoder } from './request.js'
import type { Requests } from './requests.js'

/** The bytes on disk of what lies from `start` up to `end`, as LevelDB guesses them. */
export async function approximateSize(
  requests: Requests,
  start: Bytes,
  end: Bytes
): Promise<number> {
  writeBounds(requests, KIND.approximateSize, start, end)
  const { size } = await requests.request(decodeInfo)
  if (typeof size !== 'number') throw new ProtocolError('The answer to approximateSize has no size')
  return size
}

export function compactRange(requests: Requests, start: Bytes, end: Bytes): Promise<void> {
  writeBounds(requests, KIND.compactRange, start, end)
  return requests.request(decodeDone)
}

export async function getProperty(requests: Requests, property: string): Promise<string> {
  requests.begin(KIND.getProperty).tail(property)
  return (await requests.request(decodeText)) ?? ''
}

export async function getInfo(requests: Requests): Promise<DaemonInfo> {
  requests.begin(KIND.status)
  const status = (await requests.request(decodeInfo)) as unknown as DaemonInfo
  const { pid, version, endpoint, mode, uptimeMs, options, counters } = status
  return { pid, version, endpoint, mode, uptimeMs, options, counters }
}

function writeBounds(requests: Requests, kind: number, start: Bytes, end: Bytes): void {
  const frame = requests.begin(kind)
  frame.bytes(start)
  frame.tail(end)
}

const decodeInfo: Decoder<Record<string, unknown>> = (reader: FrameReader) => {
  expectKind(reader, KIND.info)
  return parseObject(reader.tailText(), 'info')
}
