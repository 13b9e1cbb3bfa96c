// Numbers as frames hold them: little-endian and unsigned. By hand: four stores are faster than
// Buffer's checked method.

/** One more than the largest u32. */
export const UINT32 = 0x1_0000_0000

/** Writes a little-endian u32. */
export function writeUint32At(chunk: Buffer, at: number, value: number): void {
  chunk[at] = value
  chunk[at + 1] = value >>> 8
  chunk[at + 2] = value >>> 16
  chunk[at + 3] = value >>> 24
}

/** Writes a whole number up to 2^53 - 1 in two halves, the low one first. */
export function writeUint53At(chunk: Buffer, at: number, value: number): void {
  writeUint32At(chunk, at, value)
  writeUint32At(chunk, at + 4, Math.floor(value / UINT32))
}

/** Reads a little-endian u32. */
export function readUint32At(chunk: Buffer, at: number): number {
  return (
    ((chunk[at] as number) |
      ((chunk[at + 1] as number) << 8) |
      ((chunk[at + 2] as number) << 16) |
      ((chunk[at + 3] as number) << 24)) >>>
    0
  )
}
