// The lines that a starting daemon writes to its ready descriptor, one JSON object each.

import type { WireError } from './errors.js'

export type StartReport =
  /** Still starting: waiting for a lock, recovering. Starts the start time-out anew. */
  | { readonly event: 'progress'; readonly message: string }
  /** Published. `created` tells whether this daemon made the database. */
  | {
      readonly event: 'ready'
      readonly pid: number
      readonly instanceId: string
      readonly endpoint: string
      readonly created: boolean
    }
  /** Another daemon serves the location: as good as ready. */
  | { readonly event: 'deferred'; readonly pid: number }
  | { readonly event: 'error'; readonly exitCode: number; readonly error: WireError }

export function formatStartReport(report: StartReport): string {
  return `${JSON.stringify(report)}\n`
}

/** Parses one line; undefined when it is none of ours (a preloaded module may write there). */
export function parseStartReport(line: string): StartReport | undefined {
  try {
    const report = JSON.parse(line) as StartReport
    return typeof report === 'object' && report !== null && 'event' in report ? report : undefined
  } catch {
    return undefined
  }
}
