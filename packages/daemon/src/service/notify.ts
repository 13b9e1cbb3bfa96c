// What a service manager is told (sd_notify), by way of the program systemd-notify: Node has no unix
// datagrams. A manager that cannot be told is a line in the log, and the daemon goes on.

import type { DaemonMode } from '@partyd/shared'

/** Longest run of systemd-notify, which takes 40 ms: the manager may be stuck, and nobody waits for it. */
const RUN_MS = 5_000

export interface NotifierOptions {
  readonly mode: DaemonMode
  /** NOTIFY_SOCKET is taken out of it: no child of ours is to speak for us. */
  readonly environment: NodeJS.ProcessEnv
  onFailure(message: string): void
}

export class Notifier {
  readonly #onFailure: (message: string) => void
  /** Undefined when there is nobody to tell. */
  #socket: string | undefined
  #status = ''
  /** Messages go one after the other, or STOPPING could overtake READY. */
  #turn: Promise<void> = Promise.resolve()

  constructor({ mode, environment, onFailure }: NotifierOptions) {
    const socket = environment['NOTIFY_SOCKET'] || undefined
    delete environment['NOTIFY_SOCKET']
    // A daemon that a client started is no service, whatever its client is.
    this.#socket = mode === 'auto' ? undefined : socket
    this.#onFailure = onFailure
  }

  /** Clients find the daemon. The pid counts if a wrapper started us: it is us whom signals are for. */
  ready(status: string): void {
    this.#send('--ready', `--pid=${process.pid}`, statusArgument(status))
  }

  /** What the daemon is waiting for. The same again costs nothing. */
  status(status: string): void {
    if (status === this.#status) return
    this.#status = status
    this.#send(statusArgument(status))
  }

  /** The end has begun, by whatever cause. */
  stopping(status: string): void {
    // systemd-notify has no option for it before version 253.
    this.#send('STOPPING=1', statusArgument(status))
  }

  #send(...args: string[]): void {
    if (this.#socket === undefined) return
    this.#turn = this.#turn.then(() => this.#run(args)).catch((error) => this.#onError(error))
  }

  async #run(args: readonly string[]): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return
    const { execFile } = await import('node:child_process')
    const env = { ...process.env, NOTIFY_SOCKET: socket }
    await new Promise<void>((resolve, reject) => {
      execFile('systemd-notify', args, { env, timeout: RUN_MS }, (error) =>
        error === null ? resolve() : reject(error)
      )
    })
  }

  #onError({ code, message }: NodeJS.ErrnoException): void {
    const isMissing = code === 'ENOENT'
    // It will be missing the next time, too.
    if (isMissing) this.#socket = undefined
    const reason = isMissing
      ? 'there is no program systemd-notify on the PATH. Install systemd, or use Type=exec in the unit'
      : message.trim()
    this.#onFailure(`cannot tell the service manager how the daemon is: ${reason}`)
  }
}

/** One line: what follows a line break would be a message of its own. */
function statusArgument(status: string): string {
  return `--status=${status.replace(/\s+/g, ' ')}`
}
