// The socket's life on disk. Bound under a private name and renamed onto the public one, because
// libuv unlinks the name it bound when the server closes: that must never be a successor's socket.
// Everything here happens while we hold LevelDB's lock.

import { randomBytes } from 'node:crypto'
import { type BigIntStats, chmodSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import {
  assertPrivateDirectory,
  currentPlatform,
  defaultEndpoint,
  LIMITS,
  PartyError,
  shortEndpoint
} from '@partyd/shared'
import type { ListeningSocket } from '../service/listen-fds.js'
import { StartError } from './start-error.js'

/** What a file system answers that has no sockets (WSL mounts, some FUSE and network file systems). */
const NO_SOCKETS_HERE = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EIO', 'ENOSYS'])

/** What lies at the public path: our socket, nothing, somebody else's, or something we cannot see. */
export type EndpointState = 'ours' | 'missing' | 'foreign' | 'unknown'

export class Endpoint {
  /** The public path or pipe name. */
  readonly path: string
  readonly #createServer: () => Server
  #server: Server
  /** The socket's name before publication and after parking; undefined for one that has no file of ours. */
  #privatePath: string | undefined
  #inode: bigint | undefined
  /** Whether clients are to find us. */
  #status: 'private' | 'public' | 'closed' = 'private'

  private constructor(path: string, createServer: () => Server) {
    this.path = path
    this.#createServer = createServer
    this.#server = createServer()
  }

  /** Listens where no client looks yet. @throws StartError when no endpoint can be had. */
  static async bind(location: string, createServer: () => Server): Promise<Endpoint> {
    const platform = currentPlatform()
    const endpoint = new Endpoint(defaultEndpoint(location, platform), createServer)
    const isInside = dirname(endpoint.path) === location
    try {
      if (!isInside && platform.name !== 'win32') assertPrivateDirectory(endpoint.path, platform)
      endpoint.#privatePath = await listenInPrivate(endpoint.#server, endpoint.path)
      return endpoint
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (!isInside || !NO_SOCKETS_HERE.has(code ?? ''))
        throw unusable(endpoint.path, error as Error)
    }
    return Endpoint.#bindOutside(shortEndpoint(location, platform), createServer)
  }

  /**
   * Listens on a socket that is bound already. Like a pipe it has no name of ours: its file is the
   * service manager's, who listens on after us.
   */
  static async adopt(socket: ListeningSocket, createServer: () => Server): Promise<Endpoint> {
    const endpoint = new Endpoint(socket.path, createServer)
    try {
      await listen(endpoint.#server, { fd: socket.fd })
      return endpoint
    } catch (error) {
      throw unusable(socket.path, error as Error)
    }
  }

  static async #bindOutside(path: string, createServer: () => Server): Promise<Endpoint> {
    const endpoint = new Endpoint(path, createServer)
    try {
      assertPrivateDirectory(path, currentPlatform())
      endpoint.#privatePath = await listenInPrivate(endpoint.#server, path)
      return endpoint
    } catch (error) {
      throw unusable(path, error as Error)
    }
  }

  /** Puts the socket where clients look, over whatever is there, and clears up after the dead. */
  publish(): void {
    this.#status = 'public'
    // Where it could not be taken away it is there still.
    if (this.#privatePath === undefined || this.findState() === 'ours') return
    this.#inode = lstatSocket(this.#privatePath).ino
    try {
      renameSync(this.#privatePath, this.path)
    } catch (error) {
      throw unusable(this.path, error as Error)
    }
    sweep(this.path)
  }

  /** Publishes a new socket in place of one that was removed. Connections go on. */
  async republish(): Promise<void> {
    const server = this.#createServer()
    const privatePath = await listenInPrivate(server, this.path)
    // It may have been taken away on purpose, or closed, meanwhile.
    if (this.#status === 'closed') return void server.close()
    this.#server.close()
    this.#server = server
    this.#privatePath = privatePath
    this.#inode = undefined
    if (this.#status === 'public') this.publish()
  }

  /** Takes the socket away from where clients look, if it is still ours. Connections go on. */
  unpublish(): void {
    this.#status = 'private'
    if (this.#privatePath === undefined || this.findState() !== 'ours') return
    renameSync(this.path, this.#privatePath)
  }

  /** Looks what lies at the public path. */
  findState(): EndpointState {
    if (this.#privatePath === undefined) return 'ours'
    try {
      return lstatSocket(this.path).ino === this.#inode ? 'ours' : 'foreign'
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unknown'
    }
  }

  /** Stops listening. Unlinks the private name only. */
  close(): void {
    this.#status = 'closed'
    this.#server.close()
  }
}

/**
 * Listens under a name of our own beside the public one, which is the only one that a pipe has.
 * @returns that name, unless there is none.
 */
async function listenInPrivate(server: Server, path: string): Promise<string | undefined> {
  if (process.platform === 'win32') {
    await listen(server, { path })
    return undefined
  }
  const name = `${getPrivatePrefix(path)}.p${randomBytes(4).toString('hex')}`
  const privatePath = join(dirname(path), name)
  await listen(server, { path: privatePath })
  try {
    chmodSync(privatePath, 0o600)
  } catch (error) {
    server.close()
    throw error
  }
  return privatePath
}

function listen(server: Server, where: { path: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...where, backlog: LIMITS.backlog }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Private names in the location are `.p<hex>`; in a directory shared by locations they carry the location's hash. */
function getPrivatePrefix(path: string): string {
  const name = basename(path, '.sock')
  return name === 'partyd' ? '' : name
}

/** Removes private sockets of daemons that were killed. Safe only because we hold the lock. */
function sweep(path: string): void {
  const prefix = getPrivatePrefix(path)
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(prefix) || !/^\.p[0-9a-f]{8}$/.test(name.slice(prefix.length))) continue
    const stale = join(dirname(path), name)
    if (lstatSocket(stale).isSocket()) rmSync(stale, { force: true })
  }
}

/**
 * With `bigint`, because plain lstat leaves its answer in an array that Node's realpath looks at:
 * after a socket it returns links unresolved, and the next import of a linked package fails.
 */
function lstatSocket(path: string): BigIntStats {
  return lstatSync(path, { bigint: true })
}

function unusable(path: string, cause: Error): StartError {
  if (cause instanceof StartError) return cause
  const isForbidden = ['EACCES', 'EPERM', 'EROFS'].includes(
    (cause as NodeJS.ErrnoException).code ?? ''
  )
  const other = isForbidden ? 'PARTYD_PERMISSION' : 'PARTYD_CRASHED'
  const code = cause instanceof PartyError ? cause.code : other
  const message = `Cannot listen at ${path}: ${cause.message}`
  const details = { path, pid: process.pid, endpoint: path, cause }
  return new StartError('endpoint', new PartyError(code, message, details))
}
