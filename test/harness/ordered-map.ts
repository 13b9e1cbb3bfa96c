// What a database ought to do, in the simplest form: a sorted list of keys and values in memory,
// with abstract-level's ranges and iterators.

export interface MapRange {
  readonly gt?: Buffer
  readonly gte?: Buffer
  readonly lt?: Buffer
  readonly lte?: Buffer
  readonly reverse?: boolean
  readonly limit?: number
}

export type MapEntry = readonly [Buffer, Buffer]

export class OrderedMap {
  /** In the order of the keys' bytes. */
  #entries: MapEntry[] = []

  get(key: Buffer): Buffer | undefined {
    return this.#entries.find(([other]) => other.equals(key))?.[1]
  }

  put(key: Buffer, value: Buffer): void {
    this.del(key)
    this.#entries.push([key, value])
    this.#entries.sort(([left], [right]) => left.compare(right))
  }

  del(key: Buffer): void {
    this.#entries = this.#entries.filter(([other]) => !other.equals(key))
  }

  /** The entries of a range in their direction, without the prefix that all of them begin with. */
  list(prefix: Buffer, range: MapRange = {}): MapEntry[] {
    const inside = this.#entries
      .filter(([key]) => key.subarray(0, prefix.length).equals(prefix))
      .map(([key, value]): MapEntry => [key.subarray(prefix.length), value])
      .filter(([key]) => isInRange(key, range))
    if (range.reverse) inside.reverse()
    const { limit = -1 } = range
    return limit < 0 ? inside : inside.slice(0, limit)
  }

  clear(prefix: Buffer, range: MapRange): void {
    for (const [key] of this.list(prefix, range)) this.del(Buffer.concat([prefix, key]))
  }
}

/** An iterator over the entries that were there when it was made. */
export class MapCursor {
  readonly #entries: readonly MapEntry[]
  readonly #range: MapRange
  #left: number
  #position = 0

  constructor(map: OrderedMap, prefix: Buffer, range: MapRange) {
    const { limit = -1, ...unlimited } = range
    this.#entries = map.list(prefix, unlimited)
    this.#range = range
    this.#left = limit < 0 ? Number.POSITIVE_INFINITY : limit
  }

  /** At most that many entries, and as many as there are. */
  peek(size: number): MapEntry[] {
    return this.#entries.slice(this.#position, this.#position + Math.min(size, this.#left))
  }

  advance(count: number): void {
    this.#position += count
    this.#left -= count
  }

  /** A target outside the range leaves nothing to iterate over. */
  seek(target: Buffer): void {
    const direction = this.#range.reverse ? -1 : 1
    const found = this.#entries.findIndex(([key]) => key.compare(target) * direction >= 0)
    const isReachable = isInRange(target, this.#range) && found >= 0
    this.#position = isReachable ? found : this.#entries.length
  }
}

/** Of two bounds on one side, the inclusive one counts. */
function isInRange(key: Buffer, { gt, gte, lt, lte }: MapRange): boolean {
  if (gte !== undefined ? key.compare(gte) < 0 : gt !== undefined && key.compare(gt) <= 0) {
    return false
  }
  return lte !== undefined ? key.compare(lte) <= 0 : lt === undefined || key.compare(lt) < 0
}
