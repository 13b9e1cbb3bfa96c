// Whether the location is still ours. LevelDB's lock can be lost without a word: POSIX drops it when
// any descriptor of the file closes, and a directory can be removed and made anew under us.

import { lstatSync, statSync } from 'node:fs'
import { isLockListed, locationFiles } from '@partyd/shared'
import type { Endpoint } from '../start/endpoint.js'

export interface FenceOwner {
  /** The socket has been removed, by a cleaner perhaps, but the location is ours. */
  onEndpointMissing(): void
  /** The location is ours. */
  onSound(): void
  /** Somebody else may own the database by now: it must not be touched any more. */
  onLost(reason: string): void
}

export class Fence {
  readonly #location: string
  readonly #endpoint: Endpoint
  readonly #owner: FenceOwner
  readonly #lockInode: bigint
  /** Whether the kernel showed our lock at the start; in a pid namespace it may show another pid. */
  readonly #isLockVisible: boolean
  readonly #timer: NodeJS.Timeout

  constructor(location: string, endpoint: Endpoint, intervalMs: number, owner: FenceOwner) {
    this.#location = location
    this.#endpoint = endpoint
    this.#owner = owner
    this.#lockInode = statSync(locationFiles(location).lock, { bigint: true }).ino
    this.#isLockVisible = isLockListed(location, process.pid) === true
    this.#timer = setInterval(() => this.#look(), intervalMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const reason = this.#findLoss()
    if (reason !== undefined) return this.#owner.onLost(reason)
    this.#owner.onSound()
    if (this.#endpoint.findState() === 'missing') this.#owner.onEndpointMissing()
  }

  #findLoss(): string | undefined {
    const inode = inodeOf(locationFiles(this.#location).lock)
    if (inode === 'missing') return 'its LOCK file is gone: the directory was removed'
    if (inode !== 'unknown' && inode !== this.#lockInode) {
      return 'its LOCK file is another one: the directory was replaced'
    }
    if (this.#isLockVisible && isLockListed(this.#location, process.pid) === false) {
      return 'the kernel does not list our lock any more'
    }
    return this.#endpoint.findState() === 'foreign' ? 'another daemon serves it' : undefined
  }
}

/** Only an answer counts: what cannot be looked at may be all right. */
function inodeOf(path: string): bigint | 'missing' | 'unknown' {
  try {
    return lstatSync(path, { bigint: true }).ino
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unknown'
  }
}
