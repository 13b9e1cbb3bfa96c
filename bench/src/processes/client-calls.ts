// What the driver and a client process say to each other: calls by name, and their answers.

import type { DataShape } from '../data-set.js'
import type { ServeOptions } from '../peers/peer.js'
import type { Pace, Task, TaskReport } from '../tasks/task.js'

/** Parameters and result of each call. */
export interface ClientCalls {
  /** Opens connections until there are so many. */
  open: [{ peer: string; address: string; connections: number; options: ServeOptions }, undefined]
  /** Makes keys and values. */
  prepare: [DataShape, undefined]
  /** Writes every key. */
  fill: [undefined, undefined]
  /** Runs on the first so many connections. */
  run: [{ task: Task; connections: number; pace: Pace }, TaskReport]
  /** Ends what `run` has begun; that call is answered then. */
  halt: [undefined, undefined]
  /** Opens as the first process on a location. */
  openCold: [{ peer: string; directory: string }, undefined]
  /** Puts one value; resolves with the milliseconds it took. */
  putOne: [undefined, number]
  close: [undefined, undefined]
}

export type CallName = keyof ClientCalls

export interface Call<N extends CallName = CallName> {
  readonly id: number
  readonly name: N
  readonly parameters: ClientCalls[N][0]
}

export interface Answer {
  readonly id: number
  readonly result?: unknown
  /** The stack of what went wrong. */
  readonly error?: string
}
