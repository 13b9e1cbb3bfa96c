// One well-formed frame of each kind that a session may send, and of each that it may be answered
// with: for tests that break them.

import {
  ANSWER_FLAGS,
  CHANGE_FLAGS,
  type FrameWriter,
  type Hello,
  type KIND,
  MISSING_LENGTH,
  type Welcome
} from '@partyd/shared'
import { encodeFrame } from './raw-client.js'

export function writeStamp(writer: FrameWriter, sequence = 1, settledThrough = 0): void {
  writer.uint53(sequence)
  writer.uint53(settledThrough)
}

export function writeOpen(writer: FrameWriter, iteratorId: number, count = 0, bytes = 0): void {
  writer.uint32(iteratorId)
  writer.uint8(2 | 4)
  writer.uint32(0)
  writer.uint8(0)
  writer.uint32(bytes)
  writer.uint32(count)
}

/** One well-formed request of each kind, and how many bytes of its body it cannot do without. */
export const REQUESTS: readonly [
  name: keyof typeof KIND,
  needed: number | 'all',
  body: (writer: FrameWriter) => void
][] = [
  ['get', 1, (writer) => [writer.uint8(0), writer.tail('key')]],
  ['has', 1, (writer) => [writer.uint8(0), writer.tail('key')]],
  ['get', 5, (writer) => [writer.uint8(2), writer.uint32(1), writer.tail('key')]],
  ['getMany', 'all', (writer) => writeKeys(writer)],
  ['hasMany', 'all', (writer) => writeKeys(writer)],
  [
    'put',
    24,
    (writer) => [writeStamp(writer), writer.uint8(0), writer.bytes('key'), writer.tail('value')]
  ],
  ['del', 17, (writer) => [writeStamp(writer), writer.uint8(0), writer.tail('key')]],
  [
    'batch',
    'all',
    (writer) => {
      writeStamp(writer)
      writer.uint8(0)
      writer.uint32(2)
      writer.uint8(1)
      writer.bytes('key')
      writer.bytes('value')
      writer.uint8(0)
      writer.bytes('other')
    }
  ],
  [
    'clear',
    'all',
    (writer) => {
      writeStamp(writer)
      writer.uint8(0)
      writer.uint53(10)
      writer.uint8(2 | 8)
      writer.bytes('a')
      writer.bytes('b')
    }
  ],
  [
    'clear',
    'all',
    (writer) => [
      writeStamp(writer),
      writer.uint8(2),
      writer.uint32(1),
      writer.uint53(10),
      writer.uint8(0)
    ]
  ],
  ['snapshotOpen', 'all', (writer) => writer.uint32(1)],
  ['snapshotClose', 'all', (writer) => writer.uint32(1)],
  ['approximateSize', 5, (writer) => [writer.bytes('a'), writer.tail('b')]],
  ['compactRange', 5, (writer) => [writer.bytes('a'), writer.tail('b')]],
  ['getProperty', 0, (writer) => writer.tail('leveldb.stats')],
  ['skip', 'all', (writer) => writeStamp(writer)],
  [
    'atomic',
    'all',
    (writer) => {
      writeStamp(writer)
      writer.uint8(0)
      writer.uint32(1)
      writer.uint8(0)
      writer.bytes('absent')
      writer.uint32(1)
      writer.uint8(1)
      writer.bytes('key')
      writer.bytes('value')
    }
  ],
  ['iteratorOpen', 'all', (writer) => writeOpen(writer, 1, 10, 1000)],
  ['iteratorNext', 'all', (writer) => [writer.uint32(1), writer.uint32(1000), writer.uint32(10)]],
  ['iteratorSeek', 4, (writer) => [writer.uint32(1), writer.tail('key')]],
  ['iteratorClose', 'all', (writer) => writer.uint32(1)],
  [
    'watchOpen',
    'all',
    (writer) => {
      writer.uint32(1)
      writer.uint8(0)
      writer.uint8(2)
      writer.bytes('a')
    }
  ],
  ['watchClose', 'all', (writer) => writer.uint32(1)]
]

/** Well-formed questions that only a control connection may ask. */
export const CONTROL_REQUESTS: readonly [
  name: keyof typeof KIND,
  body: (writer: FrameWriter) => void
][] = [
  [
    'configure',
    (writer) => writer.tail('{"logLevel":"debug","slowOperationsMs":null,"idleTimeoutMs":30000}')
  ]
]

function writeKeys(writer: FrameWriter): void {
  writer.uint8(0)
  writer.uint32(2)
  writer.bytes('one')
  writer.bytes('two')
}

/** One well-formed answer of each kind. */
export const ANSWERS: readonly [name: keyof typeof KIND, body: (writer: FrameWriter) => void][] = [
  ['done', () => {}],
  ['value', (writer) => writer.tail('value')],
  ['missing', () => {}],
  [
    'values',
    (writer) => {
      writer.uint8(0)
      writer.uint32(2)
      writer.bytes('value')
      writer.uint32(MISSING_LENGTH)
    }
  ],
  ['presence', (writer) => [writer.uint8(1), writer.uint8(0)]],
  [
    'entries',
    (writer) => {
      writer.uint8(ANSWER_FLAGS.ended)
      writer.uint32(1)
      writer.bytes('key')
      writer.bytes('value')
    }
  ],
  ['error', (writer) => writer.tail('{"code":"LEVEL_CORRUPTION","message":"block"}')],
  ['info', (writer) => writer.tail('{}')],
  ['generation', (writer) => writer.tail('0123456789abcdef0123456789abcdef')],
  [
    'changes',
    (writer) => {
      writer.uint32(1)
      writer.uint8(CHANGE_FLAGS.put | CHANGE_FLAGS.last)
      writer.uint53(1)
      writer.bytes('key')
      writer.bytes('value')
    }
  ],
  ['watchReset', (writer) => writer.uint32(1)],
  ['goodbye', (writer) => writer.tail('{"reason":"stop"}')]
]

/** The body of a frame, without its header. */
export function bodyOf(writeBody: (writer: FrameWriter) => void): Buffer {
  return encodeFrame(0, 0, writeBody).subarray(9)
}

/** An answer to a hello, by a daemon that has no record of the session. */
export function welcomeTo({ nonce }: Hello): Welcome {
  return {
    proto: 1,
    version: '0.0.0',
    features: ['hasMany'],
    nonce,
    instanceId: 'liar',
    pid: process.pid,
    mode: 'auto',
    generation: 'a',
    applied: null,
    results: []
  }
}
