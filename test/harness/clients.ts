// The clients of a test file, in this process and in others, and their end: before their daemons
// are reaped, because a client that waits for something would start the next one.

import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { type Finished, Program, type ProgramOptions } from './program.js'

/** When `open()` gives up unless a test says so: on a busy machine daemons start slowly. */
const CONNECT_MS = 45_000

/** How long databases may take to close; one whose daemon is gone may never. */
const CLOSE_MS = 5_000

type Options = NonNullable<ConstructorParameters<typeof PartyLevel<string, string>>[1]>

export class Clients {
  readonly #databases: PartyLevel<string, string>[] = []
  readonly #programs: Program[] = []

  /** A database of this process. */
  open(location: string, options: Options = {}): PartyLevel<string, string> {
    const db = new PartyLevel<string, string>(location, {
      connectTimeoutMs: CONNECT_MS,
      ...options
    })
    this.#databases.push(db)
    return db
  }

  /** Starts a program. */
  start(source: string, options?: ProgramOptions): Program {
    const program = new Program(source, options)
    this.#programs.push(program)
    return program
  }

  /** Runs a program to its end. */
  run(source: string, options?: ProgramOptions): Promise<Finished> {
    return this.start(source, options).finished
  }

  /** Ends the programs that still run, by their own ids, and closes the databases. */
  async end(): Promise<void> {
    const programs = this.#programs.splice(0)
    const running = programs.filter(
      ({ child }) => child.exitCode === null && child.signalCode === null
    )
    for (const { child } of running) child.kill('SIGKILL')
    const closing = this.#databases.splice(0).map((db) => db.close())
    await Promise.race([Promise.allSettled(closing), sleep(CLOSE_MS, undefined, { ref: false })])
  }
}
