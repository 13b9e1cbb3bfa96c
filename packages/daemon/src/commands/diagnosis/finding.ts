// One thing that is not as it should be, and what to do next.

import { quotePath } from '../quote.js'
import type { LocationFacts } from './facts.js'

export interface Finding {
  /** For programs. */
  readonly code: string
  readonly message: string
  /** What is safe to do about it. */
  readonly next: string
  /** Whether `doctor --fix` clears it up. */
  readonly fixable: boolean
}

/** Who looks. */
export interface Self {
  readonly version: string
  readonly uid: number
}

export type Check = (facts: LocationFacts, own: Self) => Finding | undefined

export function find(code: string, message: string, next: string, fixable = false): Finding {
  return { code, message, next, fixable }
}

/** As it can be typed. */
export function command(name: string, location: string, ...options: readonly string[]): string {
  return ['partyd', name, quotePath(location), ...options].join(' ')
}
