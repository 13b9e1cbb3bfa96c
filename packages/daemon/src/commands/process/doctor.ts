// `partyd doctor`: what is not as it should be in a location, and what is safe to do about it.
// Changes nothing, unless it is asked to clear up what dead daemons have left.

import { rmSync } from 'node:fs'
import { findHold, LIMITS, locationFiles, peekHold, stopDaemon } from '@partyd/shared'
import { PACKAGE_VERSION } from '../../package-version.js'
import { type Command, type CommandInput, LOCATION } from '../command.js'
import { gatherFacts, type LocationFacts, usualEndpoint } from '../diagnosis/facts.js'
import type { Finding } from '../diagnosis/finding.js'
import { findFindings, isBeyondBudget, isDeserted } from '../diagnosis/findings.js'
import { describeFailure, EXIT } from '../failure.js'
import { withDatabase } from '../open-database.js'
import type { Output } from '../output.js'
import { describeLockOwner } from './absence.js'
import { findDirectory } from './find-directory.js'

/** How long the daemon that clears up may stay, should it not be told to end. */
const CLEARING_IDLE_MS = 1_000

/** How long a daemon may take to answer: the question is whether it does. */
const ANSWER_MS = 3_000

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'look for what is wrong in a location, and say what is safe to do about it',
  arguments: [LOCATION],
  options: [
    { flags: '--fix', description: 'clear up what daemons have left that did not end well' }
  ],
  example: 'doctor ./data',
  async run(input, output) {
    const [directory = ''] = input.arguments
    const location = findDirectory(directory)
    const { fixed, obstacle } =
      input.options['fix'] === true ? await fix(location, input) : NOTHING_TRIED
    const facts = await gatherFacts(location, answerMs(input))
    const findings = diagnose(facts)
    const healthy = findings.length === 0
    const left = findings.map(({ code }) => code)
    const fixes = fixed.filter((code) => !left.includes(code))
    output.print(
      { location, healthy, fixed: fixes.length > 0, fixes, notFixed: obstacle, findings, facts },
      [describe(facts, findings, output), ...describeFixes(fixes, output)].join('\n')
    )
    if (obstacle !== undefined) output.note(`Not everything was cleared up: ${obstacle}.`)
    // Once is enough.
    const isSaid = findings.some(({ next }) => next.includes('Never delete LOCK'))
    if (!healthy && !isSaid) output.note('Whatever you do, never delete LOCK.')
    return healthy ? EXIT.ok : EXIT.no
  }
}

/** What `--fix` has come to. */
interface Fix {
  /** The codes of what was set about. */
  readonly fixed: readonly string[]
  /** Why something was left as it is. */
  readonly obstacle: string | undefined
}

const NOTHING_TRIED: Fix = { fixed: [], obstacle: undefined }

/** These are files to be removed; for all else a daemon has to start, and to end well. */
const MERE_FILES: readonly string[] = ['expired-hold', 'failed-starts']

/** The command's own time-out comes later. */
function answerMs({ timeoutMs = Number.POSITIVE_INFINITY }: CommandInput): number {
  return Math.min(ANSWER_MS, timeoutMs / 2)
}

function diagnose(facts: LocationFacts): Finding[] {
  return findFindings(facts, { version: PACKAGE_VERSION, uid: process.getuid?.() ?? -1 })
}

/** A daemon that starts clears up files, and one that ends well removes the session records. */
async function fix(location: string, input: CommandInput): Promise<Fix> {
  const facts = await gatherFacts(location, answerMs(input))
  const codes = diagnose(facts)
    .filter(({ fixable }) => fixable)
    .map(({ code }) => code)
  if (codes.length === 0) return NOTHING_TRIED
  try {
    findHold(location) // Removes one that is over.
    const obstacle = findObstacle(facts)
    if (obstacle !== undefined) return { fixed: codes, obstacle }
    // Or starts may be paused.
    rmSync(locationFiles(location).failed, { force: true })
    if (codes.every((code) => MERE_FILES.includes(code))) return { fixed: codes, obstacle }
    if (!facts.isDatabase) {
      return { fixed: codes, obstacle: 'there is no database that a daemon could open' }
    }
    await startAndStop(location, input)
    return { fixed: codes, obstacle }
  } catch (error) {
    if (input.signal.aborted) throw error
    const { code, message } = describeFailure(error)
    return { fixed: codes, obstacle: `${code}: ${message.replace(/\.$/, '')}` }
  }
}

async function startAndStop(location: string, input: CommandInput): Promise<void> {
  const options = { createIfMissing: false, idleTimeoutMs: CLEARING_IDLE_MS }
  await withDatabase(location, input, options, (database) => database.info())
  await stopDaemon(location, PACKAGE_VERSION, input.timeoutMs)
}

function findObstacle(facts: LocationFacts): string | undefined {
  if (!isDeserted(facts)) return 'somebody is at work in the location'
  return peekHold(facts.location) && 'the location is held'
}

function describe(facts: LocationFacts, findings: readonly Finding[], output: Output): string {
  const summary = output.list(describeFacts(facts))
  if (findings.length === 0) return `${summary}\n\n${output.style('green', 'nothing is wrong')}`
  const list = findings.map(({ code, message, next }) => {
    return `${output.style('yellow', code)}: ${message}\n  ${next}`
  })
  return `${summary}\n\n${list.join('\n')}`
}

function describeFacts(facts: LocationFacts): Record<string, unknown> {
  const { location, endpoint, directory, freeBytes } = facts
  return {
    location,
    'directory mode': directory.mode?.toString(8).padStart(4, '0'),
    daemon: describeDaemon(facts),
    lock: describeLock(facts),
    endpoint: `${endpoint.path} (${endpoint.kind})`,
    'path budget': describeBudget(facts),
    'file system': facts.fileSystem.type,
    'free space': freeBytes === undefined ? undefined : `${Math.floor(freeBytes / 1e6)} MB`
  }
}

function describeDaemon({ daemon, isDatabase }: LocationFacts): string {
  if (daemon.state === 'running') {
    const { pid, version, mode } = daemon.status
    return `pid ${pid}, partyd ${version}, ${mode}`
  }
  if (isDatabase === undefined) return 'unknown: this user may not look into the directory'
  return `${daemon.state}: ${daemon.reason}`
}

function describeLock({ daemon, lockOwner }: LocationFacts): string | undefined {
  if (lockOwner === undefined) return undefined
  if (daemon.state === 'running') return `held by pid ${lockOwner.pid}`
  return daemon.state === 'not-running'
    ? describeLockOwner(lockOwner)
    : describeLockOwner(lockOwner, 'that does not answer')
}

function describeFixes(fixes: readonly string[], output: Output): string[] {
  return fixes.length === 0 ? [] : [`${output.style('green', 'fixed')}: ${fixes.join(', ')}`]
}

function describeBudget(facts: LocationFacts): string {
  const { endpointPathBytes: bytes, location } = facts
  const what = `${bytes} of ${LIMITS.endpointPathBytesMax} bytes`
  return isBeyondBudget(facts) ? `${what}: the endpoint is ${usualEndpoint(location)}` : what
}
