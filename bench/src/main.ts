// The benchmark's command: says which cells run, runs them, and reports.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cell, Measurement } from './cell.js'
import { installPeers } from './install.js'
import { type Options, parseOptions, USAGE } from './options.js'
import { ON_DEMAND, PEERS, peerNamed } from './peers/all.js'
import { BASE_VARIABLE } from './peers/partyd.js'
import type { Peer } from './peers/peer.js'
import { Runner } from './runner.js'
import { cellTable, targetTable } from './tables.js'
import { judge, TARGETS } from './targets.js'
import { FAMILIES } from './workloads/all.js'

const HERE = fileURLToPath(new URL('..', import.meta.url))

const options = parseOptions(process.argv.slice(2), HERE)
if (options.action === 'help') console.log(USAGE)
else if (options.action === 'list') listCells()
else await run(options)

function isWanted(cell: Cell): boolean {
  const { only, targets } = options
  if (only !== undefined && !only.test(cell.name)) return false
  return targets.length === 0 || (cell.targets ?? []).some((row) => targets.includes(row))
}

function listCells(): void {
  for (const { name, cells } of FAMILIES) {
    console.log(name)
    for (const cell of cells.filter(isWanted)) console.log(`  ${cell.name}`)
  }
}

async function run(options: Options): Promise<void> {
  if (options.mayInstall) installPeers(HERE)
  if (options.base !== undefined) process.env[BASE_VARIABLE] = resolve(options.base)
  const root = mkdtempSync(join(resolve(options.root), 'partyd-bench-'))
  const profileArgs = profileArguments(options)
  const runner = new Runner({
    peers: selectPeers(options),
    rounds: options.rounds,
    isQuick: options.isQuick,
    root,
    serviceArgs: profileArgs,
    clientArgs: profileArgs,
    onMissing: (peer, why) => console.log(`\nmissing: ${peer}: ${why}`),
    onFailure: (cell, entrant, error) => {
      console.error(`\nFAILED: ${entrant} in ${cell}: ${error.stack}`)
      process.exitCode = 1
    }
  })
  const end = (): void => {
    void runner.clear().finally(() => process.exit(1))
  }
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  try {
    const measurements = await runFamilies(runner)
    report(measurements)
  } finally {
    await runner.clear()
    rmSync(root, { recursive: true, force: true })
  }
}

async function runFamilies(runner: Runner): Promise<Measurement[]> {
  const all: Measurement[] = []
  for (const { name, cells } of FAMILIES) {
    const wanted = cells.filter(isWanted)
    if (wanted.length === 0) continue
    const startedAt = Date.now()
    for (const cell of wanted) {
      const measurements = await runner.runCell(cell)
      if (measurements.length === 0) continue
      console.log(`\n${cell.name}\n${cellTable(measurements)}`)
      all.push(...measurements)
    }
    await runner.clear()
    console.log(`\n${name} took ${Math.round((Date.now() - startedAt) / 1000)} s`)
  }
  return all
}

function report(measurements: readonly Measurement[]): void {
  const measured = new Set(measurements.map(({ cell }) => cell))
  const verdicts = judge(measurements).filter(({ target }) => measured.has(target.cell))
  if (verdicts.length > 0) console.log(`\nTargets\n${targetTable(verdicts)}`)
}

function selectPeers(options: Options): readonly Peer[] {
  const { peers, targets } = options
  const extra = [...options.with, ...(options.base === undefined ? [] : ['base'])]
  if (peers !== undefined) return [...peers, ...extra].map(peerNamed)
  const isNeeded = targets.length === 0 ? () => true : isNeededFor(targets)
  return PEERS.filter(({ name }) => {
    if (extra.includes(name)) return true
    return !ON_DEMAND.includes(name) && isNeeded(name)
  })
}

/** Whether a peer takes part in these rows of the targets. */
function isNeededFor(rows: readonly number[]): (name: string) => boolean {
  const targets = TARGETS.filter(({ row }) => rows.includes(row))
  const needed = new Set(targets.flatMap(({ entrant, against }) => [entrant, against]))
  return (name) => needed.has(name)
}

function profileArguments({ profile }: Options): string[] {
  if (profile === undefined) return []
  mkdirSync(profile, { recursive: true })
  return ['--cpu-prof', `--cpu-prof-dir=${resolve(profile)}`]
}
