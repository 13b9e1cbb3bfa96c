// The driver's end of a client process.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Answer, CallName, ClientCalls } from './client-calls.js'

const ENTRY = fileURLToPath(new URL('./client-process.js', import.meta.url))

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

export class Client {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1

  constructor(nodeArgs: readonly string[]) {
    this.#child = fork(ENTRY, { execArgv: [...nodeArgs] })
    this.#child.on('message', (answer: Answer) => this.#onAnswer(answer))
    this.#child.once('exit', (code, signal) => this.#onExit(code ?? signal))
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Rejects when the call fails in the process, or the process ends. */
  call<N extends CallName>(name: N, parameters: ClientCalls[N][0]): Promise<ClientCalls[N][1]> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
      this.#child.send({ id, name, parameters }, (error) => {
        if (error !== null) reject(error)
      })
    })
  }

  /** Closes its connections and ends the process. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    await this.call('close', undefined).catch(() => this.#child.kill('SIGKILL'))
    if (this.#child.connected) this.#child.disconnect()
    await ended
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #onAnswer({ id, result, error }: Answer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error))
  }

  #onExit(how: number | string | null): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new Error(`A client process ended with ${how}`))
    }
    this.#waiting.clear()
  }
}
