// Decoders of answers, by what the operation promises to return, and of the error that there may be instead.

import {
  ANSWER_FLAGS,
  type FrameReader,
  fromWireError,
  KIND,
  MISSING_LENGTH,
  ProtocolError,
  parseWireError
} from '@partyd/shared'
import { operationName } from './operation-errors.js'
import { type AnswerParts, type Decoder, MORE } from './request.js'

/** A value in the format the API asked for. */
export type Value = string | Buffer

export const decodeDone: Decoder<void> = (reader) => {
  expectKind(reader, KIND.done)
}

export const decodeText: Decoder<string | undefined> = (reader) => {
  if (reader.kind === KIND.missing) return undefined
  expectKind(reader, KIND.value)
  return reader.tailText()
}

export const decodeBuffer: Decoder<Buffer | undefined> = (reader) => {
  if (reader.kind === KIND.missing) return undefined
  expectKind(reader, KIND.value)
  return ownBytes(reader.tail())
}

export const decodeTexts: Decoder<(string | undefined)[]> = (reader, answer) =>
  decodeValues(reader, answer, readText)

export const decodeBuffers: Decoder<(Buffer | undefined)[]> = (reader, answer) =>
  decodeValues(reader, answer, readBytes)

export const decodePresence: Decoder<boolean[]> = (reader) => {
  expectKind(reader, KIND.presence)
  return Array.from(reader.tail(), (byte) => byte === 1)
}

type ReadValue<T> = (reader: FrameReader, length: number) => T

// No view where a string is wanted: it costs as much as the string.
const readText: ReadValue<string> = (reader, length) => reader.string(length)

const readBytes: ReadValue<Buffer> = (reader, length) => ownBytes(reader.view(length))

function decodeValues<T>(
  reader: FrameReader,
  answer: AnswerParts,
  read: ReadValue<T>
): (T | undefined)[] | typeof MORE {
  expectKind(reader, KIND.values)
  const hasMore = (reader.uint8() & ANSWER_FLAGS.more) !== 0
  const count = reader.uint32()
  const values = (answer.parts ?? []) as (T | undefined)[]
  for (let index = 0; index < count; index++) {
    const length = reader.uint32()
    values.push(length === MISSING_LENGTH ? undefined : read(reader, length))
  }
  reader.finish()
  answer.parts = values
  return hasMore ? MORE : values
}

/**
 * A copy in memory of its own: a view would keep the whole received chunk alive for as long as the
 * user keeps one small value. Large values fill their chunk and are taken as they are.
 */
export function ownBytes(view: Buffer): Buffer {
  if (view.length * 2 > view.buffer.byteLength) return view
  const copy = Buffer.allocUnsafe(view.length)
  copy.set(view)
  return copy
}

export function expectKind(reader: FrameReader, kind: number): void {
  if (reader.kind !== kind) {
    throw new ProtocolError(`A request was answered with a frame of kind ${reader.kind}`)
  }
}

/** The error in an answer, or, unasked, about the whole connection. */
export function decodeError(reader: FrameReader, kind: number): Error {
  const wire = parseWireError(reader.tailText())
  return fromWireError({ ...wire, operation: wire.operation ?? operationName(kind) })
}
