// Breaks frames as a fuzzer does: from valid ones, a few changes at a time, and more often from
// those that have led somewhere new.

import type { Random } from './random.js'

/** A frame as its parts, so that each can be wrong while the others are right. */
export interface Parts {
  readonly kind: number
  readonly id: number
  readonly body: Buffer
  /** Says something else than is true; undefined for the true length. */
  readonly length?: number
}

/** Where fields end and limits lie. */
const INTERESTING = [0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff]

export class Mutator {
  readonly #random: Random
  readonly #corpus: (readonly Parts[])[]
  readonly #seen = new Set<string>()

  /** @param corpus lists of valid frames to begin with. */
  constructor(random: Random, corpus: readonly (readonly Parts[])[]) {
    this.#random = random
    this.#corpus = [...corpus]
  }

  get corpusSize(): number {
    return this.#corpus.length
  }

  /** A broken list of frames. */
  next(): readonly Parts[] {
    return this.mutate(this.#random.pick(this.#corpus))
  }

  /** The frames after up to four changes. */
  mutate(frames: readonly Parts[]): readonly Parts[] {
    let changed = frames
    for (let changes = this.#random.below(4) + 1; changes > 0; changes--) {
      changed = this.#change(changed)
    }
    // A chain of splices would grow for ever.
    return changed.slice(0, 60)
  }

  /** Keeps a list that has led to something that no other one has. */
  learn(frames: readonly Parts[], outcome: string): void {
    if (this.#seen.has(outcome)) return
    this.#seen.add(outcome)
    this.#corpus.push(frames)
  }

  #change(frames: readonly Parts[]): readonly Parts[] {
    const random = this.#random
    if (random.chance(0.2)) return this.#changeOrder(frames)
    const at = random.below(frames.length)
    return frames.with(at, this.#changeFrame(frames[at] as Parts))
  }

  #changeOrder(frames: readonly Parts[]): readonly Parts[] {
    const random = this.#random
    const at = random.below(frames.length)
    const frame = frames[at] as Parts
    switch (random.below(4)) {
      case 0:
        return frames.toSpliced(at, 0, frame)
      case 1:
        return frames.length > 1 ? frames.toSpliced(at, 1) : frames
      case 2:
        return frames.with(at, frames.at(-1) as Parts).with(-1, frame)
      default:
        return [...frames.slice(0, at + 1), ...random.pick(this.#corpus)]
    }
  }

  #changeFrame(frame: Parts): Parts {
    const random = this.#random
    const choice = random.below(10)
    if (choice === 0) return { ...frame, kind: random.below(256) }
    if (choice === 1) return { ...frame, id: random.pick(INTERESTING) }
    if (choice === 2) return { ...frame, length: this.#wrongLength(frame) }
    return { ...frame, body: this.#changeBody(frame.body) }
  }

  #wrongLength({ body }: Parts): number {
    const random = this.#random
    return random.chance(0.5) ? random.pick(INTERESTING) : body.length + random.below(20)
  }

  #changeBody(body: Buffer): Buffer {
    const random = this.#random
    const at = random.below(body.length + 1)
    const changed = Buffer.from(body)
    switch (random.below(6)) {
      case 0:
        if (at < body.length) changed[at] = (changed[at] as number) ^ (1 << random.below(8))
        return changed
      case 1:
        if (at < body.length) changed[at] = random.below(256)
        return changed
      case 2:
        if (at + 4 <= body.length) changed.writeUInt32LE(random.pick(INTERESTING), at)
        return changed
      case 3:
        return body.subarray(0, at)
      case 4:
        return Buffer.concat([
          body.subarray(0, at),
          random.bytes(random.below(9)),
          body.subarray(at)
        ])
      default:
        return Buffer.concat([body.subarray(0, at), body.subarray(random.below(body.length + 1))])
    }
  }
}

/** The bytes on the wire. */
export function toBytes(frames: readonly Parts[]): Buffer {
  const parts: Buffer[] = []
  for (const { kind, id, body, length = body.length + 5 } of frames) {
    const header = Buffer.alloc(9)
    header.writeUInt32LE(length)
    header.writeUInt32LE(id, 4)
    header[8] = kind
    parts.push(header, body)
  }
  return Buffer.concat(parts)
}

/** Whether the peer finds the frames as they are meant to be found. */
export function areFramed(frames: readonly Parts[]): boolean {
  return frames.every(({ length }) => length === undefined)
}

/** What a person needs to see it happen again. */
export function describeBytes(seed: number, round: number, bytes: Buffer): string {
  return `PARTYD_TEST_SEED=${seed}, round ${round}, bytes ${bytes.toString('hex')}`
}
