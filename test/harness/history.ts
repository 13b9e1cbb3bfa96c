// What recording clients have written down, as one history for each key.

import { readFileSync } from 'node:fs'
import type { Operation } from './linearizability.js'

/** A line of a record: the call of an operation, by what it does to keys. */
interface Call {
  readonly id: string
  readonly at: number
  readonly reads?: readonly string[]
  /** Key and value; null deletes. */
  readonly writes?: readonly (readonly [string, string | null])[]
}

/** The line of its return. */
interface Return {
  readonly id: string
  readonly at: number
  /** Values of the keys read, in their order; null for nothing. */
  readonly values?: readonly (string | null)[]
  /** Why it failed: a write may have taken effect all the same. */
  readonly error?: string
}

export interface History {
  readonly byKey: ReadonlyMap<string, readonly Operation[]>
  readonly operations: number
  /** Operations without a return: their clients were killed. */
  readonly pending: number
  /** Codes of those that failed, and how many did. */
  readonly errors: Readonly<Record<string, number>>
}

/** Joins the records of several processes, whose clock is the same. */
export function readHistory(files: readonly string[]): History {
  const calls = new Map<string, Call>()
  const returns = new Map<string, Return>()
  const errors: Record<string, number> = {}
  for (const line of files.flatMap(readLines)) {
    if ('reads' in line || 'writes' in line) {
      calls.set(line.id, line)
      continue
    }
    const end = line as Return
    if (end.error === undefined) returns.set(end.id, end)
    else errors[end.error] = (errors[end.error] ?? 0) + 1
  }
  const byKey = new Map<string, Operation[]>()
  for (const call of calls.values()) {
    for (const [key, operation] of split(call, returns.get(call.id))) {
      const operations = byKey.get(key)
      if (operations === undefined) byKey.set(key, [operation])
      else operations.push(operation)
    }
  }
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0)
  const pending = calls.size - returns.size - failed
  return { byKey, operations: calls.size, pending, errors }
}

/** A process that was killed may have left half a line. */
function readLines(file: string): (Call | Return)[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Call | Return)
}

/** One operation for each key concerned. */
function* split(call: Call, end: Return | undefined): Generator<[string, Operation]> {
  const { id, at: invokedAt, reads = [], writes = [] } = call
  const returnedAt = end?.at ?? Number.POSITIVE_INFINITY
  for (const [index, key] of reads.entries()) {
    const value = end?.values?.[index] ?? undefined
    yield [key, { id, kind: 'read', value, invokedAt, returnedAt }]
  }
  // The last of several operations on a key in one batch is what counts.
  for (const [key, value] of new Map(writes)) {
    yield [key, { id, kind: 'write', value: value ?? undefined, invokedAt, returnedAt }]
  }
}
