// Randomness that can be repeated: every test that uses it prints its seed.

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  /** The seed in `PARTYD_TEST_SEED`, or a new one. */
  static seed(): number {
    const given = process.env['PARTYD_TEST_SEED']
    return given === undefined ? Math.floor(Math.random() * 0xffff_ffff) : Number(given)
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    // mulberry32, public domain.
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) * below) / 0x1_0000_0000)
  }

  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)))
  }
}
