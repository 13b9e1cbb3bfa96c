// A stream of bytes as blocks of lines. node:readline takes several times as long, line by line.

import { constants, isUtf8 } from 'node:buffer'

const LINE_FEED = 10

/** Lines that came together. */
export interface LineBlock {
  /** Undefined for one that is not UTF-8, or longer than a string can be. */
  readonly lines: readonly (string | undefined)[]
  /** Of all bytes that have been read. */
  readonly bytesRead: number
  /** Whether the last line of the input lacks its line feed: it may have been cut off. */
  readonly isCut: boolean
}

/** Yields blocks that are about as large as the chunks of the source, and larger where a line is. */
export async function* readLineBlocks(source: AsyncIterable<Buffer>): AsyncGenerator<LineBlock> {
  let begun: Buffer[] = []
  let bytesRead = 0
  for await (const chunk of source) {
    bytesRead += chunk.length
    const end = chunk.lastIndexOf(LINE_FEED)
    if (end < 0) {
      begun.push(chunk)
      continue
    }
    // Without the line feed of the last line, which would begin another.
    const block = begun.length === 0 ? chunk.subarray(0, end) : joinAt(begun, chunk, end)
    begun = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : []
    yield { lines: toLines(block), bytesRead, isCut: false }
  }
  const rest = Buffer.concat(begun)
  if (rest.length > 0) yield { lines: toLines(rest), bytesRead, isCut: true }
}

function joinAt(begun: readonly Buffer[], chunk: Buffer, end: number): Buffer {
  return Buffer.concat([...begun, chunk.subarray(0, end)])
}

function toLines(block: Buffer): (string | undefined)[] {
  if (block.length <= constants.MAX_STRING_LENGTH && isUtf8(block)) {
    return block.toString().split('\n')
  }
  const lines: (string | undefined)[] = []
  for (let start = 0; start <= block.length; ) {
    const found = block.indexOf(LINE_FEED, start)
    const end = found < 0 ? block.length : found
    const line = block.subarray(start, end)
    const isText = line.length <= constants.MAX_STRING_LENGTH && isUtf8(line)
    lines.push(isText ? line.toString() : undefined)
    start = end + 1
  }
  return lines
}
