// A stream of bytes as blocks of lines. node:readline takes several times as long, line by line.

import { constants, isUtf8 } from 'node:buffer'
import { LineError } from './export-format.js'

const LINE_FEED = 10
/** The largest entry as base64 takes 342 MiB. It must be less than a string can have. */
const LINE_BYTES_MAX = 384 * 1024 * 1024

/** Lines that came together. */
export interface LineBlock {
  /** For one that is no text, what is wrong with it. */
  readonly lines: readonly (string | LineError)[]
  /** Of all bytes that have been read. */
  readonly bytesRead: number
  /** Whether the last line of the input lacks its line feed: it may have been cut off. */
  readonly isCut: boolean
}

/** Yields blocks that are about as large as the chunks of the source, and larger where a line is. */
export async function* readLineBlocks(
  source: AsyncIterable<Buffer>,
  lineBytesMax: number = LINE_BYTES_MAX
): AsyncGenerator<LineBlock> {
  let begun: Buffer[] = []
  let begunBytes = 0
  let isTooLong = false
  let bytesRead = 0
  for await (const read of source) {
    bytesRead += read.length
    const chunk = isTooLong ? behindLine(read) : read
    if (chunk === undefined) continue
    isTooLong = false
    const end = chunk.lastIndexOf(LINE_FEED)
    if (end >= 0) {
      // Without the line feed of the last line, which would begin another.
      const block = begun.length === 0 ? chunk.subarray(0, end) : joinAt(begun, chunk, end)
      begun = []
      begunBytes = 0
      yield { lines: toLines(block), bytesRead, isCut: false }
    }
    const rest = chunk.subarray(end + 1)
    if (rest.length > 0) begun.push(rest)
    begunBytes += rest.length
    if (begunBytes <= lineBytesMax) continue
    // Said at once, for its end may never come; until then it is passed over.
    begun = []
    begunBytes = 0
    isTooLong = true
    yield { lines: [new LineError('it is too long')], bytesRead, isCut: false }
  }
  const rest = Buffer.concat(begun)
  if (rest.length > 0) yield { lines: toLines(rest), bytesRead, isCut: true }
}

/** What follows the end of the line; undefined when it has not come. */
function behindLine(chunk: Buffer): Buffer | undefined {
  const end = chunk.indexOf(LINE_FEED)
  return end < 0 ? undefined : chunk.subarray(end + 1)
}

function joinAt(begun: readonly Buffer[], chunk: Buffer, end: number): Buffer {
  return Buffer.concat([...begun, chunk.subarray(0, end)])
}

function toLines(block: Buffer): (string | LineError)[] {
  if (block.length <= constants.MAX_STRING_LENGTH && isUtf8(block)) {
    return block.toString().split('\n')
  }
  const lines: (string | LineError)[] = []
  for (let start = 0; start <= block.length; ) {
    const found = block.indexOf(LINE_FEED, start)
    const end = found < 0 ? block.length : found
    const line = block.subarray(start, end)
    lines.push(isUtf8(line) ? line.toString() : new LineError('it is not UTF-8'))
    start = end + 1
  }
  return lines
}
