// Decides the atomics of a batch, in the order of the queue: each against the database and the
// writes before it in the same batch. So any number of them share a batch.

import { type Bytes, LIMITS, RESULT } from '@partyd/shared'
import { AtomicWrite } from './atomic-write.js'
import type { Database } from './database.js'
import { isHidden } from './key-space.js'
import type { ReadPath } from './read-path.js'
import { toBuffer } from './text-guess.js'
import type { Write } from './write.js'
import type { Pairs } from './writes.js'

/** A key that is checked, and what is known of it at the point of the batch that has been reached. */
interface CheckedKey {
  readonly key: Buffer
  /** Everything that is expected of it. */
  readonly checks: Check[]
  /** Why it could not be read from the database. */
  error: Error | undefined
  /** What the batch has put there; null for a deletion, undefined if it has not touched the key. */
  written: Buffer | null | undefined
}

interface Check {
  readonly checked: CheckedKey
  /** The value that the key must have; undefined if it must not be there. */
  readonly value: Buffer | undefined
  /** Whether the database has it so. */
  isStored: boolean
}

/** Resolves when each atomic of the group, which is about to be written, knows what it does. */
export async function decideAtomics(
  group: readonly Write[],
  database: Database,
  readPath: ReadPath
): Promise<void> {
  const last = group.findLastIndex((write) => write instanceof AtomicWrite)
  if (last < 0) return
  const keys = new CheckedKeys()
  const checks = new Map<Write, Check[]>()
  for (const write of group) {
    if (write instanceof AtomicWrite) checks.set(write, keys.expect(write.checks))
  }
  await keys.read(database, readPath)
  for (const write of group.slice(0, last + 1)) {
    if (write instanceof AtomicWrite) decide(write, checks.get(write) ?? [])
    keys.overwrite(write.pairs ?? [])
  }
}

function decide(write: AtomicWrite, checks: readonly Check[]): void {
  for (const { checked, value, isStored } of checks) {
    const { written, error } = checked
    if (written === undefined && error !== undefined) {
      return write.decide(RESULT.readFailed, error)
    }
    const holds = written === undefined ? isStored : isSame(written ?? undefined, value)
    if (!holds) return write.decide(RESULT.checkFailed)
  }
  write.decide(RESULT.ok)
}

class CheckedKeys {
  /** By key, as text of one character a byte. */
  readonly #keys = new Map<string, CheckedKey>()

  expect(pairs: Pairs): Check[] {
    const checks: Check[] = []
    for (let index = 0; index < pairs.length; index += 2) {
      const checked = this.#add(pairs[index] as Buffer)
      const check = { checked, value: pairs[index + 1], isStored: false }
      checked.checks.push(check)
      checks.push(check)
    }
    return checks
  }

  /** Compares what is stored at once and forgets it: the values of all keys may be too much to keep. */
  async read(database: Database, readPath: ReadPath): Promise<void> {
    const later = [...this.#keys.values()].filter((checked) => !readNow(checked, readPath))
    for (let from = 0; from < later.length; from += LIMITS.checkGroupKeys) {
      await readLater(later.slice(from, from + LIMITS.checkGroupKeys), database)
    }
  }

  /** These will be in the database before what comes behind them in the batch. */
  overwrite(pairs: Pairs): void {
    for (let index = 0; index < pairs.length; index += 2) {
      const key = pairs[index] as Buffer
      const checked = this.#keys.get(key.toString('latin1'))
      if (checked !== undefined) checked.written = pairs[index + 1] ?? null
    }
  }

  #add(key: Buffer): CheckedKey {
    const text = key.toString('latin1')
    const known = this.#keys.get(text)
    if (known !== undefined) return known
    const checked = { key, checks: [], error: undefined, written: undefined }
    this.#keys.set(text, checked)
    return checked
  }
}

/** Reads on the spot where that is fastest. @returns whether it did. */
function readNow(checked: CheckedKey, readPath: ReadPath): boolean {
  if (isHidden(checked.key)) {
    compare(checked, undefined)
    return true
  }
  if (!readPath.mayReadNow) return false
  try {
    compare(checked, readPath.readNow(checked.key, true))
  } catch (error) {
    checked.error = error as Error
  }
  return true
}

async function readLater(group: readonly CheckedKey[], database: Database): Promise<void> {
  let values: (Buffer | undefined)[]
  try {
    values = await database.getMany(
      group.map(({ key }) => key),
      true
    )
  } catch {
    // One corrupt block fails the whole getMany; only the atomics that check its keys shall suffer.
    for (const checked of group) await readAlone(checked, database)
    return
  }
  for (const [index, checked] of group.entries()) compare(checked, values[index])
}

async function readAlone(checked: CheckedKey, database: Database): Promise<void> {
  try {
    compare(checked, await database.get(checked.key, true))
  } catch (error) {
    checked.error = error as Error
  }
}

/** @param value text stands for its UTF-8: see text-guess.ts. */
function compare({ checks }: CheckedKey, value: Bytes | undefined): void {
  const stored = value === undefined ? undefined : toBuffer(value)
  for (const check of checks) check.isStored = isSame(check.value, stored)
}

function isSame(left: Buffer | undefined, right: Buffer | undefined): boolean {
  if (left === undefined || right === undefined) return left === right
  return left.equals(right)
}
