// Asking the daemon of a location something. Nobody is started, and silence proves nothing.

import { existsSync, realpathSync } from 'node:fs'
import {
  ask,
  createHello,
  type DialFailure,
  type Dialled,
  dial,
  findEndpoint,
  KIND,
  PartyError,
  readRendezvous,
  TIMES,
  type Welcome
} from '@partyd/shared'
import { PACKAGE_VERSION } from '../../package-version.js'
import { Interrupted } from '../interruption.js'

export type DaemonAnswer =
  | {
      readonly status: 'running'
      readonly welcome: Welcome
      readonly answer: Readonly<Record<string, unknown>>
    }
  | { readonly status: 'not-running'; readonly reason: string }
  | { readonly status: 'unresponsive'; readonly error: PartyError }

export interface Question {
  /** How long to wait for the answer. Default: 10 s. */
  readonly timeoutMs?: number | undefined
  /** Ends it early. */
  readonly signal?: AbortSignal
  /** What the question says. */
  readonly body?: object
}

/**
 * @param kind the question: a kind of control frame.
 * @throws PartyError `PARTYD_PERMISSION`, `PARTYD_INCOMPATIBLE`.
 */
export async function askDaemon(
  directory: string,
  kind: number,
  { timeoutMs = TIMES.hello, signal: cancel, body }: Question = {}
): Promise<DaemonAnswer> {
  if (!existsSync(directory)) {
    return { status: 'not-running', reason: `there is no directory ${directory}` }
  }
  const location = realpathSync.native(directory)
  const endpoint = findEndpoint(location)
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), timeoutMs)
  const onCancel = (): void => controller.abort()
  cancel?.addEventListener('abort', onCancel, { once: true })
  try {
    const answer = await askAt(location, endpoint, kind, body, controller.signal)
    // By the user, who wants no answer any more.
    if (cancel?.reason instanceof Interrupted) throw cancel.reason
    return answer
  } finally {
    clearTimeout(timer)
    cancel?.removeEventListener('abort', onCancel)
  }
}

async function askAt(
  location: string,
  endpoint: string,
  kind: number,
  body: object | undefined,
  signal: AbortSignal
): Promise<DaemonAnswer> {
  const result = await dial(location, endpoint, createHello('control', PACKAGE_VERSION), signal)
  if (result.status !== 'welcome') return describeFailedDial(result, location, endpoint)
  const onAbort = (): unknown => result.socket.destroy()
  signal.addEventListener('abort', onAbort)
  if (kind === KIND.configure) assertConfigurable(result)
  const answer = await ask(result.socket, kind, body).finally(() =>
    signal.removeEventListener('abort', onAbort)
  )
  if (answer !== undefined) return { status: 'running', welcome: result.welcome, answer }
  const cause = new Error(signal.aborted ? 'no answer in time' : 'it went away without an answer')
  return unresponsive(location, endpoint, cause)
}

/** An older daemon would say so itself, in words that nobody understands. */
function assertConfigurable({ socket, welcome }: Dialled): void {
  if (welcome.features.includes('configure')) return
  socket.destroy()
  const { pid, version } = welcome
  const message = `The daemon (pid ${pid}, partyd ${version}) is too old to be configured while it runs. Restart it.`
  throw new PartyError('PARTYD_INCOMPATIBLE', message, { pid })
}

function describeFailedDial(
  { status, cause }: DialFailure,
  location: string,
  endpoint: string
): DaemonAnswer {
  switch (status) {
    case 'absent':
      return { status: 'not-running', reason: cause.message }
    case 'leaving':
      return { status: 'not-running', reason: 'it is just ending' }
    case 'busy':
      return unresponsive(location, endpoint, cause)
    case 'forbidden': {
      const message = `This user may not connect to ${endpoint}: ${cause.message}`
      throw new PartyError('PARTYD_PERMISSION', message, { path: location, endpoint, cause })
    }
    case 'refused':
      throw cause
  }
}

function unresponsive(location: string, endpoint: string, cause: Error): DaemonAnswer {
  const pid = readRendezvous(location)?.pid
  const who =
    pid === undefined
      ? `Whatever listens at ${endpoint}, where no daemon has named itself,`
      : `The daemon (pid ${pid}) of ${location}`
  const message = `${who} does not answer: ${cause.message}`
  const error = new PartyError('PARTYD_UNRESPONSIVE', message, {
    path: location,
    pid,
    endpoint,
    cause
  })
  return { status: 'unresponsive', error }
}
