// `partyd doctor`: what is not as it should be in a location, and what is safe to do about it.
// Changes nothing, unless it is asked to clear up what dead daemons have left.

import { existsSync, realpathSync, rmSync } from 'node:fs'
import { findHold, LIMITS, locationFiles, peekHold, stopDaemon } from '@partyd/shared'
import { gatherFacts, type LocationFacts, usualEndpoint } from '../../diagnosis/facts.js'
import { type Finding, findFindings, isBeyondBudget, isDeserted } from '../../diagnosis/findings.js'
import { PACKAGE_VERSION } from '../../package-version.js'
import { type Command, type CommandInput, LOCATION } from '../command.js'
import { CommandError, EXIT } from '../failure.js'
import { withDatabase } from '../open-database.js'
import type { Output } from '../output.js'
import { describeLockOwner } from './absence.js'

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
    if (!existsSync(directory)) {
      throw new CommandError('PARTYD_NO_DIRECTORY', `There is no directory ${directory}.`)
    }
    const location = realpathSync.native(directory)
    const isFixed = input.options['fix'] === true && (await fix(location, input, output))
    const facts = await gatherFacts(location, answerMs(input))
    const findings = diagnose(facts)
    const healthy = findings.length === 0
    const text = describe(facts, findings, output)
    output.print({ location, healthy, fixed: isFixed, findings, facts }, text)
    if (!healthy) output.note('Whatever you do, never delete LOCK.')
    return healthy ? EXIT.ok : EXIT.no
  }
}

/** The command's own time-out comes later. */
function answerMs({ timeoutMs = Number.POSITIVE_INFINITY }: CommandInput): number {
  return Math.min(ANSWER_MS, timeoutMs / 2)
}

function diagnose(facts: LocationFacts): Finding[] {
  return findFindings(facts, { version: PACKAGE_VERSION, uid: process.getuid?.() ?? -1 })
}

/**
 * A daemon that starts clears up files, and one that ends well removes the session records.
 * @returns whether anything was done.
 */
async function fix(location: string, input: CommandInput, output: Output): Promise<boolean> {
  findHold(location) // Removes one that is over.
  const facts = await gatherFacts(location, answerMs(input))
  if (!diagnose(facts).some(({ fixable }) => fixable)) return false
  const obstacle = findObstacle(facts)
  if (obstacle !== undefined) {
    output.note(`Nothing was cleared up: ${obstacle}.`)
    return false
  }
  // Or starts may be paused.
  rmSync(locationFiles(location).failed, { force: true })
  const options = { createIfMissing: false, idleTimeoutMs: CLEARING_IDLE_MS }
  await withDatabase(location, input, options, (database) => database.info())
  await stopDaemon(location, PACKAGE_VERSION, input.timeoutMs)
  return true
}

function findObstacle(facts: LocationFacts): string | undefined {
  if (!facts.isDatabase) return 'there is no database that a daemon could open'
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
  const { location, daemon, lockOwner, endpoint, directory, freeBytes } = facts
  const isRunning = daemon.state === 'running'
  return {
    location,
    'directory mode': directory.mode?.toString(8),
    daemon: isRunning
      ? `pid ${daemon.status.pid}, partyd ${daemon.status.version}, ${daemon.status.mode}`
      : `${daemon.state}: ${daemon.reason}`,
    lock: lockOwner && (isRunning ? `held by pid ${lockOwner.pid}` : describeLockOwner(lockOwner)),
    endpoint: `${endpoint.path} (${endpoint.kind})`,
    'path budget': describeBudget(facts),
    'file system': facts.fileSystem.type,
    'free space': freeBytes === undefined ? undefined : `${Math.floor(freeBytes / 1e6)} MB`
  }
}

function describeBudget(facts: LocationFacts): string {
  const { endpointPathBytes: bytes, location } = facts
  const what = `${bytes} of ${LIMITS.endpointPathBytesMax} bytes`
  return isBeyondBudget(facts) ? `${what}: the endpoint is ${usualEndpoint(location)}` : what
}
