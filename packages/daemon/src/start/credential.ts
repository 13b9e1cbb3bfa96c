// What the daemon proves itself with, and asks of its clients, where others could put a socket in
// the place of its endpoint. Everything here happens while we hold LevelDB's lock.

import {
  adviseOnRights,
  currentPlatform,
  isEndpointPrivate,
  locationFiles,
  PartyError,
  ProofExchange,
  writeToken
} from '@partyd/shared'
import { StartError } from './start-error.js'

export class Credential {
  readonly #location: string
  #endpoint = ''
  #token: Buffer | undefined

  constructor(location: string) {
    this.#location = location
  }

  /**
   * Makes a token if clients that find the endpoint will need one: before it is published, and again
   * from time to time, as the rights of its directory may be changed.
   * @throws StartError when it cannot be written.
   */
  protect(endpoint: string): void {
    this.#endpoint = endpoint
    if (this.#token !== undefined || this.#isPrivate) return
    try {
      this.#token = writeToken(this.#location)
    } catch (error) {
      throw cannotWrite(this.#location, error as Error)
    }
  }

  /** Whether a client has to prove that it knows the token. */
  get isNeeded(): boolean {
    return this.#token !== undefined && !this.#isPrivate
  }

  /**
   * @param challenge a client's.
   * @throws PartyError when there is nothing to prove it with; ProtocolError when it is no challenge.
   */
  exchange(challenge: string): ProofExchange {
    if (this.#token !== undefined) return new ProofExchange(this.#token, challenge)
    const { token: path } = locationFiles(this.#location)
    throw new PartyError('PARTYD_PERMISSION', `The daemon has no ${path} to prove itself with`, {
      path
    })
  }

  get #isPrivate(): boolean {
    return isEndpointPrivate(this.#endpoint, this.#location, currentPlatform())
  }
}

function cannotWrite(location: string, cause: Error): StartError {
  const { token: path } = locationFiles(location)
  const message = `Other users could listen in the daemon's place, and ${path}, by which clients would know it, cannot be written: ${cause.message}.${adviseOnRights(currentPlatform())}`
  const details = { path, pid: process.pid, cause }
  return new StartError('endpoint', new PartyError('PARTYD_PERMISSION', message, details))
}
