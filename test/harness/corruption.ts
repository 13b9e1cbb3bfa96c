// Damage to LevelDB's files, as a disk may do it, also under a daemon that has them open.

import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** The end of a block of a few entries: one restart point at 0, and the type of compression: none. */
const BLOCK_END = Buffer.of(0, 0, 0, 0, 1, 0, 0, 0, 0)

/**
 * Damages the block that has those bytes, in place. Its contents alone would not do: LevelDB does
 * not check them. The table must have been written without compression.
 */
export function corruptBlock(location: string, needle: string | Buffer): void {
  for (const name of readdirSync(location).filter((one) => one.endsWith('.ldb'))) {
    const path = join(location, name)
    const bytes = readFileSync(path)
    const at = bytes.indexOf(needle)
    if (at < 0) continue
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.of(0x7f), 0, 1, bytes.indexOf(BLOCK_END, at) + BLOCK_END.length - 1)
    closeSync(file)
    return
  }
  throw new Error(`No table has '${needle}'`)
}
