// The client's session: what it tells a daemon in hello, and what it makes of the answer. A session
// is what makes writes happen exactly once; when its past is lost, a new one takes its place.

import { randomBytes } from 'node:crypto'
import { createHello, type Hello, type PartyErrorCode, type Welcome } from '@partyd/shared'
import { PACKAGE_VERSION } from './package-version.js'
import { WriteWindow } from './write-window.js'

/** What a welcome means for the writes that were sent and not answered. */
export type Verdict =
  /** The daemon knows the session: writes up to `applied` are in, the others are sent again. */
  | { readonly status: 'resume'; readonly applied: number; readonly results: Map<number, number> }
  /** It does not; nothing may be sent under this session any more. Writes that were sent fail with `code`. */
  | { readonly status: 'restart'; readonly code: PartyErrorCode }

export class Session {
  readonly window: WriteWindow = new WriteWindow()
  /** The daemon's word for the state of its records, as last heard. */
  generation: string | null = null
  readonly #id = randomBytes(16).toString('hex')
  #attempt = 0

  createHello(): Hello {
    return {
      ...createHello('retry', PACKAGE_VERSION),
      sessionId: this.#id,
      attempt: ++this.#attempt,
      generation: this.generation,
      settledThrough: this.window.settledThrough,
      sentThrough: this.window.sentThrough
    }
  }

  /** As the table in PROTOCOL.md says. */
  judge({ applied, results, generation }: Welcome): Verdict {
    const { settledThrough, sentThrough } = this.window
    if (applied !== null) {
      return applied >= settledThrough
        ? { status: 'resume', applied, results: new Map(results) }
        : { status: 'restart', code: 'PARTYD_DATABASE_REPLACED' }
    }
    if (generation === this.generation) {
      return settledThrough === 0
        ? { status: 'resume', applied: 0, results: new Map() }
        : { status: 'restart', code: 'PARTYD_DATABASE_REPLACED' }
    }
    // Never sent a write: there is nothing that a record could tell.
    if (sentThrough === 0) return { status: 'resume', applied: 0, results: new Map() }
    return { status: 'restart', code: 'PARTYD_OUTCOME_UNKNOWN' }
  }
}
