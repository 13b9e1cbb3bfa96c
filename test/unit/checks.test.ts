import { RESULT } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { AtomicWrite } from '../../packages/daemon/dist/store/atomic-write.js'
import { decideAtomics } from '../../packages/daemon/dist/store/checks.js'
import type { Database } from '../../packages/daemon/dist/store/database.js'
import type { ReadPath } from '../../packages/daemon/dist/store/read-path.js'
import { DataWrite, type Pairs } from '../../packages/daemon/dist/store/writes.js'

const UNREADABLE = new Error('Corruption: block checksum mismatch')

/** A database of these entries, in which keys that start with `bad` cannot be read. */
class Stored {
  readonly entries: Readonly<Record<string, string>>
  /** How many reads there were of each kind. */
  readonly reads = { now: 0, many: 0, alone: 0 }
  readonly #mayReadNow: boolean

  constructor(entries: Readonly<Record<string, string>>, mayReadNow: boolean) {
    this.entries = entries
    this.#mayReadNow = mayReadNow
  }

  get readPath(): ReadPath {
    const readNow = (key: Buffer): Buffer | undefined => {
      this.reads.now++
      return this.#read(key)
    }
    return { mayReadNow: this.#mayReadNow, readNow } as unknown as ReadPath
  }

  get database(): Database {
    const get = async (key: Buffer): Promise<Buffer | undefined> => {
      this.reads.alone++
      return this.#read(key)
    }
    const getMany = async (keys: Buffer[]): Promise<(Buffer | undefined)[]> => {
      this.reads.many++
      return keys.map((key) => this.#read(key))
    }
    return { get, getMany } as unknown as Database
  }

  #read(key: Buffer): Buffer | undefined {
    if (key.toString().startsWith('bad')) throw UNREADABLE
    const value = this.entries[key.toString()]
    return value === undefined ? undefined : Buffer.from(value)
  }
}

function pairs(...parts: readonly (string | undefined)[]): Pairs {
  return parts.map((part) => (part === undefined ? undefined : Buffer.from(part)))
}

function put(...parts: readonly (string | undefined)[]): DataWrite {
  return new DataWrite(pairs(...parts), false, undefined, RESULT.ok, () => {})
}

class Decided extends AtomicWrite {
  result: number | undefined
  error: Error | undefined

  override decide(result: number, error?: Error): void {
    this.result = result
    this.error = error
    super.decide(result, error)
  }
}

function atomic(checks: Pairs, wanted: Pairs = []): Decided {
  return new Decided(checks, wanted, false, undefined, () => {})
}

describe.each([true, false])('the atomics of a batch, read on the spot: %s,', (mayReadNow) => {
  it('see the database and what is before them, and nothing behind them', async () => {
    const stored = new Stored({ a: '1', b: '2' }, mayReadNow)
    const atomics = [
      atomic(pairs('a', '1', 'b', '2', 'c', undefined)),
      atomic(pairs('a', '3'), pairs('never', '1')),
      atomic(pairs('a', '3'), pairs('a', undefined, 'c', '4')),
      atomic(pairs('a', undefined, 'c', '4')),
      atomic(pairs('never', undefined))
    ] as const
    const [first, second, third, fourth, last] = atomics
    const group = [first, second, put('a', '3'), third, fourth, last, put('never', '5')]
    await decideAtomics(group, stored.database, stored.readPath)
    const { ok, checkFailed } = RESULT
    expect(atomics.map(({ result }) => result)).toEqual([ok, checkFailed, ok, ok, ok])
    expect(second.pairs).toEqual([])
    expect(third.pairs).toEqual(pairs('a', undefined, 'c', '4'))
    const { now, many } = stored.reads
    expect(now + many).toBe(mayReadNow ? 4 : 1)
  })

  it('fail alone when a key cannot be read, unless it has been written before', async () => {
    const stored = new Stored({ a: '1' }, mayReadNow)
    const [broken, healthy, late] = [
      atomic(pairs('a', '1', 'bad', undefined), pairs('x', '1')),
      atomic(pairs('a', '1')),
      atomic(pairs('bad', 'new'))
    ]
    const group = [broken, healthy, put('bad', 'new'), late]
    await decideAtomics(group as never, stored.database, stored.readPath)
    expect(broken).toMatchObject({ result: RESULT.readFailed, error: UNREADABLE, pairs: [] })
    expect(healthy?.result).toBe(RESULT.ok)
    expect(late?.result).toBe(RESULT.ok)
  })

  it('are read in portions, and not at all where nothing is checked', async () => {
    const stored = new Stored({}, mayReadNow)
    await decideAtomics([put('a', '1')], stored.database, stored.readPath)
    const unchecked = atomic([], pairs('a', '1'))
    await decideAtomics([unchecked], stored.database, stored.readPath)
    expect(stored.reads).toEqual({ now: 0, many: 0, alone: 0 })
    expect(unchecked.pairs).toEqual(pairs('a', '1'))
    const many = Array.from({ length: 1000 }, (_, index) => atomic(pairs(`${index}`, undefined)))
    await decideAtomics(many, stored.database, stored.readPath)
    expect(many.every(({ result }) => result === RESULT.ok)).toBe(true)
    expect(stored.reads.many).toBe(mayReadNow ? 0 : 16)
  })
})
