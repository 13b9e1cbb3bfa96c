// Daemons that die at a chosen moment; see mortal-daemon-hook.js.

import { readFileSync } from 'node:fs'

const HOOK = new URL('./mortal-daemon-hook.js', import.meta.url).href

export interface Mortality {
  /**
   * When: with the batch about to be written, or just written and not answered, that has the key;
   * on reading it; on opening a scan from it (`gte`).
   */
  readonly at?: 'before' | 'after' | 'read' | 'scan'
  readonly key?: string
  /** A file that the one that dies leaves: no other one dies. Without it, each does. */
  readonly marker?: string
  /** A file that gets a line for each key written. */
  readonly writes?: string
  /** A file that gets a line for each batch written. */
  readonly batches?: string
  /** Each batch takes that much longer to write. */
  readonly writeMs?: number
  /** How much its clock is ahead. */
  readonly clockMs?: number
  /** Its clock jumps by that, there and back, all the time. */
  readonly clockJumpsMs?: number
}

/** The option `spawn` of a client. */
export function mortalSpawn(mortality: Mortality): { args: string[]; env: Record<string, string> } {
  return { args: ['--import', HOOK], env: { PARTYD_TEST_MORTAL_DAEMON: JSON.stringify(mortality) } }
}

/** The environment of a daemon that is started by its command. */
export function mortalEnv(mortality: Mortality): NodeJS.ProcessEnv {
  const { args, env } = mortalSpawn(mortality)
  return { ...env, NODE_OPTIONS: args.join(' ') }
}

/** How often each key has been written. */
export function countWrites(file: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const key of readFileSync(file, 'utf8').trim().split('\n')) {
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}
