// `partyd.json`: how clients learn who serves a location. A hint, never proof.

import { readFileSync, rmSync } from 'node:fs'
import { basename, dirname, isAbsolute } from 'node:path'
import { LIMITS } from './limits.js'
import {
  currentPlatform,
  defaultEndpoint,
  directoryId,
  isPlausibleEndpoint,
  locationFiles,
  type Platform
} from './location.js'
import { replaceOwnFile } from './own-file.js'
import { isDirectoryPrivate, isEndpointPrivate } from './private-endpoint.js'

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
  /** The location as {@link directoryId} has it, for clients that know it by another name. */
  readonly directory?: string | undefined
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
  const hint = readRendezvous(location)
  return hint !== undefined &&
    (isPlausibleEndpoint(hint.endpoint, location, platform) ||
      isEndpointOfOtherName(hint, location, platform))
    ? hint.endpoint
    : defaultEndpoint(location, platform)
}

/**
 * Whether a daemon that has the location by another name, as a bind mount gives it one, would have
 * chosen the endpoint. A copy of the location holds the same file, but is another directory; and
 * where others could have written the file, it is believed nothing that its path does not show.
 */
export function isEndpointOfOtherName(
  { endpoint, directory }: Pick<Rendezvous, 'endpoint' | 'directory'>,
  location: string,
  platform: Platform
): boolean {
  if (platform.name === 'win32' || !isAbsolute(endpoint)) return false
  if (Buffer.byteLength(endpoint) > LIMITS.endpointPathBytesMax) return false
  const id = directoryId(location)
  if (id === undefined) return false
  if (basename(endpoint) === 'partyd.sock') return directoryId(dirname(endpoint)) === id
  return (
    directory === id &&
    /^[0-9a-f]{16}\.sock$/.test(basename(endpoint)) &&
    isDirectoryPrivate(location, location, platform) &&
    isEndpointPrivate(endpoint, location, platform)
  )
}

/** Writes `partyd.json` in one step. Only the holder of LevelDB's lock may call this. */
export function writeRendezvous(location: string, rendezvous: Rendezvous): void {
  const content = { ...rendezvous, directory: directoryId(location) }
  replaceOwnFile(locationFiles(location).rendezvous, `${JSON.stringify(content)}\n`)
}

/** Removes `partyd.json`. Only the holder of LevelDB's lock may call this. */
export function removeRendezvous(location: string): void {
  rmSync(locationFiles(location).rendezvous, { force: true })
}
