// What becomes of a request that was under way when its link was lost.

import { KIND, LIMITS, type PartyError, TIMES } from '@partyd/shared'
import type { Link } from './connecting/connector.js'
import { connectionLost, daemonLost, unreachable } from './operation-errors.js'
import type { Request } from './request.js'

/** What there is to know about the loss of a link. */
export interface Loss {
  readonly link: Link | undefined
  /** Why it was lost; undefined if it just ended. */
  readonly cause: Error | undefined
  /** When, by `performance.now()`. */
  readonly at: number
  /** Whether operations go on on the next daemon. */
  readonly retry: boolean
}

/** again: on the next daemon · forgotten: nobody waits for it · an error: it fails. */
export type Fate = 'again' | 'forgotten' | Error

/** Counts the loss to the request, and to what lives on the link: its next request counts on from here. */
export function countLoss(request: Request, { at }: Loss): void {
  request.troubledAt ||= at
  request.deaths++
  const { tie } = request
  if (tie === undefined) return
  tie.troubledAt = request.troubledAt
  tie.deaths = request.deaths
}

/** The loss has been counted. */
export function fateOf(request: Request, { link, cause, at, retry }: Loss): Fate {
  const { kind, deaths, troubledAt } = request
  if (isIncomprehension(cause)) return unreachable(request, cause)
  if (!retry) return connectionLost(kind, link, cause)
  if (deaths >= LIMITS.deathsMax && at - troubledAt >= TIMES.daemonLost) {
    return daemonLost(request, deaths, link, cause)
  }
  // Whoever reads from it opens it again, or tells that it is lost.
  if (request.tie !== undefined) return connectionLost(kind, link, cause)
  if (kind === KIND.ping || kind === KIND.skip) return 'forgotten'
  // It has been rejected. What its write took of the window is free again.
  if (request.isExpired) return connectionLost(kind)
  return 'again'
}

/** One side did not understand the other. The next daemon would not understand the same frames either. */
export function isIncomprehension(error: Error | undefined): error is PartyError {
  const { code } = (error ?? {}) as Partial<PartyError>
  return code === 'PARTYD_PROTOCOL' || code === 'PARTYD_INCOMPATIBLE'
}
