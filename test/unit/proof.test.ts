import { randomBytes } from 'node:crypto'
import { ClientProof, ProofExchange, ProtocolError } from '@partyd/shared'
import { describe, expect, it } from 'vitest'

const TOKEN = randomBytes(32)

/** Lets a client and a daemon prove themselves to each other. */
function exchange(clientToken: Buffer, daemonToken: Buffer) {
  const client = new ClientProof(clientToken)
  const daemon = new ProofExchange(daemonToken, JSON.stringify(client.challenge))
  const proof = client.answer(JSON.stringify(daemon.answer))
  return { client, daemon, proof }
}

describe('proofs', () => {
  it('convince both sides that know the token', () => {
    const { daemon, proof } = exchange(TOKEN, TOKEN)
    expect(proof).toMatch(/^[0-9a-f]{64}$/)
    expect(daemon.isProven(proof)).toBe(true)
  })

  it('make a client say nothing to a daemon that does not know the token', () => {
    expect(exchange(TOKEN, randomBytes(32)).proof).toBe(undefined)
  })

  it('do not convince the daemon when they were made without the token', () => {
    const client = new ClientProof(randomBytes(32))
    const daemon = new ProofExchange(TOKEN, JSON.stringify(client.challenge))
    const stranger = new ProofExchange(randomBytes(32), JSON.stringify(client.challenge))
    for (const proof of [undefined, '', 'x'.repeat(64), stranger.answer.proof]) {
      expect(daemon.isProven(proof)).toBe(false)
    }
  })

  it('are good for one exchange', () => {
    const first = exchange(TOKEN, TOKEN)
    // To the same daemon, by someone who says the same challenge again.
    const replayed = new ProofExchange(TOKEN, JSON.stringify(first.client.challenge))
    expect(replayed.isProven(first.proof)).toBe(false)
    // And to another client, by someone who gives the daemon's answer again.
    expect(new ClientProof(TOKEN).answer(JSON.stringify(first.daemon.answer))).toBe(undefined)
  })

  it('of one side are no proofs of the other', () => {
    const client = new ClientProof(TOKEN)
    const daemon = new ProofExchange(TOKEN, JSON.stringify(client.challenge))
    // Sent back to the daemon as the client's …
    expect(daemon.isProven(daemon.answer.proof)).toBe(false)
    // … and a client's, had by playing the daemon with nonces of choice, to the client.
    const { proof, daemon: other } = exchange(TOKEN, TOKEN)
    const reflected = JSON.stringify({ nonce: other.answer.nonce, proof })
    expect(client.answer(reflected)).toBe(undefined)
  })

  it.each(['', '{}', '[]', '{"nonce":5}', '{"nonce":"00"}', `{"nonce":"${'A'.repeat(64)}"}`])(
    'are refused when they are none: %j',
    (text) => {
      expect(() => new ProofExchange(TOKEN, text)).toThrow(ProtocolError)
      expect(() => new ClientProof(TOKEN).answer(text)).toThrow(ProtocolError)
    }
  )
})
