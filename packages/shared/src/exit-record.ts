// `partyd.exit.json`: why the last daemon of a location ended, if it did not end well. The next one
// that is ready removes it.

import { readFileSync } from 'node:fs'
import { locationFiles } from './location.js'
import { createOwnFile } from './own-file.js'

/** The content of `partyd.exit.json`. */
export interface ExitRecord {
  readonly schema: 1
  readonly reason: string
  /** The exit code. */
  readonly code: number
  /** ISO 8601. */
  readonly at: string
  readonly pid: number
  readonly instanceId: string
}

/** @throws the file system's error; a full disk is one of the reasons to be here. */
export function writeExitRecord(location: string, record: ExitRecord): void {
  createOwnFile(locationFiles(location).exit, `${JSON.stringify(record)}\n`)
}

/** Undefined when the last daemon ended well, or without a word, or when it is not ours to read. */
export function readExitRecord(location: string): ExitRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(locationFiles(location).exit, 'utf8')) as ExitRecord
    return typeof record.reason === 'string' && typeof record.at === 'string' ? record : undefined
  } catch {
    return undefined
  }
}
