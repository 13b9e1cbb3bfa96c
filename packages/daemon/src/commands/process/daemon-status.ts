// What a daemon says of itself, as commands use it. An older one may say less.

import type { Configuration } from '@partyd/shared'

export interface DaemonStatus extends Configuration {
  readonly pid: number
  readonly version: string
  readonly mode: string
  readonly location: string
  readonly instanceId: string
  readonly endpoint: string
  readonly clients: number
  readonly connections?: readonly ClientOfDaemon[]
  readonly uptimeMs: number
  readonly idleEndsInMs?: number
  readonly memory: { readonly rss: number }
  readonly options: Readonly<Record<string, boolean | number>>
  readonly counters: Readonly<Record<string, number>>
  readonly allowNetworkFs?: boolean
  /** The last error of the disk that an operation has met. */
  readonly fault?: { readonly code: string; readonly message: string; readonly at: number }
  readonly log?: string
  readonly logFailure?: string
}

export interface ClientOfDaemon {
  readonly mode: string
  readonly pid?: number
  readonly version?: string
  readonly connectedMs: number
}

/** As people are told of it: `pid 12 (0.1.0)`. */
export function describeClient({ mode, pid, version }: ClientOfDaemon): string {
  if (mode === 'guest') return 'a many-level guest'
  return `pid ${pid ?? 'unknown'} (${version})`
}

/** The first few of them in one line. */
export function describeClients(clients: readonly ClientOfDaemon[]): string {
  const rest = clients.length - CLIENTS_SHOWN
  const shown = clients.slice(0, CLIENTS_SHOWN).map(describeClient)
  return [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join(', ')
}

const CLIENTS_SHOWN = 10
