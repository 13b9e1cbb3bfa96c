// How a party client comes in: a challenge perhaps, its hello, the session it resumes perhaps, and the
// welcome or the reason why there is none.

import {
  adviseOnRights,
  currentPlatform,
  FEATURES,
  type FrameReader,
  type Hello,
  KIND,
  PartyError,
  PROTOCOL_VERSIONS,
  type ProofExchange,
  ProtocolError,
  parseHello,
  TIMES,
  toWireError,
  type Welcome
} from '@partyd/shared'
import type { ConnectionHost } from './connection.js'
import type { SessionHolder } from './session-registry.js'
import type { SessionState } from './session-state.js'

/** The connection that begins with it, and will hold the client's session. */
export interface GreetingOwner extends SessionHolder {
  sendObject(kind: number, id: number, value: object): void
  /** The welcome has been sent. @param state the session's, for clients that retry. */
  onWelcome(hello: Hello, state: SessionState | undefined): void
  end(): void
  destroy(): void
}

export class Greeting {
  readonly #host: ConnectionHost
  readonly #owner: GreetingOwner
  /** resuming: the client's session is being found. */
  #status: 'waiting' | 'resuming' | 'over' = 'waiting'
  /** Of the client's proof and ours, if it has asked for ours. */
  #exchange: ProofExchange | undefined
  readonly #helloTimer: NodeJS.Timeout

  constructor(host: ConnectionHost, owner: GreetingOwner) {
    this.#host = host
    this.#owner = owner
    this.#helloTimer = setTimeout(() => owner.destroy(), TIMES.hello)
  }

  /** @throws ProtocolError when it is not the frame's turn; PartyError when the client is not welcome. */
  onFrame(reader: FrameReader): void {
    if (this.#status !== 'waiting') {
      throw new ProtocolError(`A frame of kind ${reader.kind} came after the last one`)
    }
    if (reader.kind === KIND.challenge && this.#exchange === undefined) this.#onChallenge(reader)
    else this.#onHello(reader)
  }

  /** The connection is closed. */
  stop(): void {
    this.#status = 'over'
    clearTimeout(this.#helloTimer)
  }

  #onChallenge(reader: FrameReader): void {
    this.#exchange = this.#host.credential.exchange(reader.tailText())
    this.#owner.sendObject(KIND.proof, 0, this.#exchange.answer)
  }

  #onHello(reader: FrameReader): void {
    if (reader.kind !== KIND.hello) {
      throw new ProtocolError(`The first frame is of kind ${reader.kind}, not a hello`)
    }
    const hello = parseHello(reader.tailText())
    clearTimeout(this.#helloTimer)
    const isProven = this.#exchange?.isProven(hello.proof) ?? false
    if (!isProven && this.#host.credential.isNeeded) throw unproven(hello)
    const isWelcome = hello.mode === 'control' ? this.#host.isServing() : this.#host.welcomeClient()
    if (!isWelcome) return this.#sayStop()
    const proto = findHighestCommon(hello.proto)
    if (proto === undefined) throw incompatible(hello)
    if (hello.mode === 'retry') void this.#resume(hello, proto)
    else this.#welcome(hello, proto, undefined)
  }

  /** Answers the hello once everything that the session had put into the commit queue is in. */
  async #resume(hello: Hello, proto: number): Promise<void> {
    this.#status = 'resuming'
    const { sessions } = this.#host.engine
    let state: SessionState
    try {
      state = await sessions.take(hello, this.#owner)
    } catch (error) {
      return this.#refuse(error as Error)
    }
    if (this.#mayBegin()) return this.#welcome(hello, proto, state)
    sessions.release(state, this.#owner)
  }

  /** The client may have gone, or a stop may have come, whose goodbye went to clients only. */
  #mayBegin(): boolean {
    if (this.#status !== 'resuming') return false
    if (this.#host.welcomeClient()) return true
    this.#sayStop()
    return false
  }

  #welcome(hello: Hello, proto: number, state: SessionState | undefined): void {
    const welcome: Welcome = {
      ...this.#host.identity,
      proto,
      features: FEATURES.filter((feature) => hello.features.includes(feature)),
      nonce: hello.nonce,
      generation: this.#host.engine.sessions.generation,
      applied: state?.hasRecord ? state.applied : null,
      results: state?.results ?? []
    }
    this.#owner.sendObject(KIND.welcome, 0, welcome)
    this.#status = 'over'
    this.#owner.onWelcome(hello, state)
  }

  #sayStop(): void {
    this.#owner.sendObject(KIND.goodbye, 0, { reason: 'stop' })
    this.#owner.end()
  }

  #refuse(error: Error): void {
    if (this.#status !== 'resuming') return
    this.#owner.sendObject(KIND.error, 0, toWireError(error, { operation: 'hello' }))
    this.#owner.end()
  }
}

function findHighestCommon([lowest, highest]: readonly [number, number]): number | undefined {
  const common = Math.min(highest, PROTOCOL_VERSIONS[1])
  return common >= Math.max(lowest, PROTOCOL_VERSIONS[0]) ? common : undefined
}

function unproven({ version }: Hello): PartyError {
  return new PartyError(
    'PARTYD_PERMISSION',
    `A client (version ${version}) did not prove that it knows partyd.token, as is needed where other users could listen, too. Update its package.${adviseOnRights(currentPlatform())}`,
    { pid: process.pid }
  )
}

function incompatible({ proto, version }: Hello): PartyError {
  return new PartyError(
    'PARTYD_INCOMPATIBLE',
    `A client (version ${version}) speaks protocol ${proto.join(' to ')}, this daemon ${PROTOCOL_VERSIONS.join(' to ')}. Update the older package, or stop the daemon.`,
    { pid: process.pid }
  )
}
