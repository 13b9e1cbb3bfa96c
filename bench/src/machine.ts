// What the numbers were measured on.

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { median } from './statistics.js'

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  /** Median milliseconds of an fdatasync behind a write of 4 kB, where the databases are. */
  readonly fdatasyncMs: number
}

const WRITES = 200

export function describeMachine(root: string): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release()}`,
    node: process.version,
    fdatasyncMs: timeFdatasync(root)
  }
}

function timeFdatasync(root: string): number {
  const directory = mkdtempSync(join(root, 'fdatasync-'))
  const file = openSync(join(directory, 'file'), 'w')
  const block = Buffer.alloc(4096, 'x')
  const times = Array.from({ length: WRITES }, () => {
    writeSync(file, block)
    const startedAt = performance.now()
    fdatasyncSync(file)
    return performance.now() - startedAt
  })
  closeSync(file)
  rmSync(directory, { recursive: true })
  return median(times)
}
