// How a daemon and a client show each other that they know the token without saying it. Nonces of
// both sides are in each proof, so none can be used again, and neither side's is good for the other.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { ProtocolError } from '../errors.js'
import { parseObject } from './json-body.js'

/** 32 bytes, in hexadecimal: a nonce or a proof. */
const HEX = /^[0-9a-f]{64}$/

type Side = 'daemon' | 'client'

/** What a client says first: what the daemon's proof must contain. */
export interface Challenge {
  nonce: string
}

/** The daemon's answer to a challenge. */
export interface DaemonProof {
  nonce: string
  proof: string
}

/** The client's part: it asks first, and proves nothing to a daemon that has not. */
export class ClientProof {
  readonly challenge: Challenge = { nonce: createNonce() }
  readonly #token: Buffer

  constructor(token: Buffer) {
    this.#token = token
  }

  /**
   * @param text the daemon's answer.
   * @returns the client's own proof; undefined if the daemon's is wrong.
   * @throws ProtocolError when the answer is none.
   */
  answer(text: string): string | undefined {
    const { nonce, proof } = parseHexFields(text, 'proof', ['nonce', 'proof'])
    const nonces = this.challenge.nonce + nonce
    if (!isSame(proof, prove(this.#token, 'daemon', nonces))) return undefined
    return prove(this.#token, 'client', nonces)
  }
}

/** The daemon's part, for one challenge. */
export class ProofExchange {
  readonly answer: DaemonProof
  readonly #expected: string

  /** @throws ProtocolError when the challenge is none. */
  constructor(token: Buffer, challenge: string) {
    const nonce = createNonce()
    const nonces = parseHexFields(challenge, 'challenge', ['nonce']).nonce + nonce
    this.answer = { nonce, proof: prove(token, 'daemon', nonces) }
    this.#expected = prove(token, 'client', nonces)
  }

  isProven(proof: string | undefined): boolean {
    return proof !== undefined && isSame(proof, this.#expected)
  }
}

function createNonce(): string {
  return randomBytes(32).toString('hex')
}

/** Each part has a fixed length, so that no two messages are written alike. */
function prove(token: Buffer, side: Side, nonces: string): string {
  return createHmac('sha256', token).update(`partyd ${side} ${nonces}`).digest('hex')
}

/** Takes as long for a proof that is nearly right. */
function isSame(given: string, expected: string): boolean {
  return HEX.test(given) && timingSafeEqual(Buffer.from(given), Buffer.from(expected))
}

function parseHexFields<Name extends string>(
  text: string,
  what: string,
  names: readonly Name[]
): Record<Name, string> {
  const value = parseObject(text, what)
  const isValid = names.every((name) => {
    const field = value[name]
    return typeof field === 'string' && HEX.test(field)
  })
  if (!isValid) throw new ProtocolError(`A ${what} lacks a field or has one of the wrong type`)
  return value as Record<Name, string>
}
