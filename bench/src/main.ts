// The benchmark's command: says which cells run, runs them, and reports.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installPeers } from './install.js'
import { describeMachine } from './machine.js'
import { type Options, parseOptions, USAGE } from './options.js'
import { BASE_VARIABLE } from './peers/partyd.js'
import { renderCell, writeReport } from './report.js'
import type { FamilyResult, Results } from './results.js'
import { Runner } from './runner.js'
import { type Selection, select } from './selection.js'
import { targetTable } from './tables.js'
import { judge } from './targets.js'

const HERE = fileURLToPath(new URL('..', import.meta.url))

const options = parseOptions(process.argv.slice(2), HERE)
const selection = select(options)
if (options.action === 'help') console.log(USAGE)
else if (options.action === 'list') list(selection)
else await run(options, selection)

function list({ families }: Selection): void {
  for (const { name, cells } of families) {
    console.log(name)
    for (const cell of cells) console.log(`  ${cell.name}`)
  }
}

async function run(options: Options, selection: Selection): Promise<void> {
  if (options.mayInstall) installPeers(HERE)
  if (options.base !== undefined) process.env[BASE_VARIABLE] = resolve(options.base)
  const root = mkdtempSync(join(resolve(options.root), 'partyd-bench-'))
  const missing = new Map<string, string>()
  const runner = createRunner(options, selection, root, missing)
  const end = async (): Promise<void> => {
    await runner.clear()
    rmSync(root, { recursive: true, force: true })
  }
  endOnSignal(end)
  try {
    const results = await collect(options, selection, root, runner, missing)
    const { verdicts } = results
    if (verdicts.length > 0) console.log(`\nTargets\n${targetTable(verdicts)}`)
    if (options.output === undefined) return
    await writeReport(results, resolve(options.output), join(HERE, 'BOUNDS.md'))
  } finally {
    await end()
  }
}

function createRunner(
  { rounds, isQuick, profile }: Options,
  { peers }: Selection,
  root: string,
  missing: Map<string, string>
): Runner {
  return new Runner({
    peers,
    rounds,
    isQuick,
    root,
    nodeArgs: profileArguments(profile),
    onMissing: (peer, why) => {
      missing.set(peer, why)
      console.log(`\nmissing: ${peer}: ${why}`)
    },
    onFailure: (cell, entrant, error) => {
      console.error(`\nFAILED: ${entrant} in ${cell}: ${error.stack}`)
      process.exitCode = 1
    }
  })
}

async function collect(
  { rounds, isQuick }: Options,
  { peers, families }: Selection,
  root: string,
  runner: Runner,
  missing: ReadonlyMap<string, string>
): Promise<Results> {
  const date = new Date().toISOString()
  const machine = describeMachine(root)
  console.log(`One fdatasync takes ${machine.fdatasyncMs.toFixed(3)} ms here`)
  const results: FamilyResult[] = []
  for (const family of families) results.push(await runFamily(runner, family))
  const measurements = results.flatMap((family) => family.measurements)
  const wanted = new Set(families.flatMap(({ cells }) => cells.map(({ name }) => name)))
  return {
    date,
    machine,
    rounds,
    isQuick,
    peers: peers.map(({ name, description }) => {
      const why = missing.get(name)
      return { name, description, ...(why !== undefined && { missing: why }) }
    }),
    families: results,
    verdicts: judge(measurements, machine.fdatasyncMs).filter(({ target }) =>
      wanted.has(target.cell)
    )
  }
}

async function runFamily(
  runner: Runner,
  { name, about, cells }: Selection['families'][number]
): Promise<FamilyResult> {
  const startedAt = Date.now()
  const measurements = []
  for (const cell of cells) {
    const ofCell = await runner.run(cell)
    if (ofCell.length > 0) console.log(renderCell(ofCell))
    measurements.push(...ofCell)
  }
  await runner.clear()
  const seconds = Math.round((Date.now() - startedAt) / 1000)
  console.log(`\n${name}: ${seconds} s`)
  return { name, about, seconds, measurements }
}

function endOnSignal(end: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      void end().finally(() => process.exit(1))
    })
  }
}

function profileArguments(directory: string | undefined): string[] {
  if (directory === undefined) return []
  mkdirSync(directory, { recursive: true })
  return ['--cpu-prof', `--cpu-prof-dir=${resolve(directory)}`]
}
