// `partyd.json`: how clients learn who serves a location. A hint, never proof.

import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { currentPlatform, defaultEndpoint, isPlausibleEndpoint, locationFiles } from './location.js'

/** How a daemon was started: by a client, by hand, or by a service manager. */
export type DaemonMode = 'auto' | 'foreground' | 'service'

/** The content of `partyd.json`. */
export interface Rendezvous {
  readonly schema: 1
  /** Random, one per daemon process. */
  readonly instanceId: string
  readonly pid: number
  readonly host: string
  readonly endpoint: string
  /** Lowest and highest protocol version served. */
  readonly proto: readonly [number, number]
  readonly version: string
  readonly mode: DaemonMode
  /** ISO 8601. */
  readonly startedAt: string
  /** Path of the log file, or null when the log goes to the terminal. */
  readonly log: string | null
}

/** Reads `partyd.json`. Anything missing, unreadable or malformed is undefined: it is only a hint. */
export function readRendezvous(location: string): Rendezvous | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(locationFiles(location).rendezvous, 'utf8'))
    return isRendezvous(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRendezvous(value: unknown): value is Rendezvous {
  if (typeof value !== 'object' || value === null) return false
  const candidate = value as Partial<Record<keyof Rendezvous, unknown>>
  return (
    candidate.schema === 1 &&
    typeof candidate.instanceId === 'string' &&
    typeof candidate.pid === 'number' &&
    typeof candidate.endpoint === 'string'
  )
}

/** Where the daemon of a location is to be dialled: as `partyd.json` says, or else the default. */
export function findEndpoint(location: string): string {
  const platform = currentPlatform()
  const hint = readRendezvous(location)?.endpoint
  return hint !== undefined && isPlausibleEndpoint(hint, location, platform)
    ? hint
    : defaultEndpoint(location, platform)
}

/** Writes `partyd.json` in one step. Only the holder of LevelDB's lock may call this. */
export function writeRendezvous(location: string, rendezvous: Rendezvous): void {
  const { rendezvous: path } = locationFiles(location)
  const temporary = `${path}.tmp`
  writeFileSync(temporary, `${JSON.stringify(rendezvous)}\n`, { mode: 0o600 })
  chmodSync(temporary, 0o600)
  renameSync(temporary, path)
}

/** Removes `partyd.json`. Only the holder of LevelDB's lock may call this. */
export function removeRendezvous(location: string): void {
  rmSync(locationFiles(location).rendezvous, { force: true })
}
