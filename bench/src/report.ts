// Writes results.json, RESULTS.md and the charts.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Chart, drawCharts } from './charts.js'
import type { Measurement } from './figures.js'
import type { FamilyResult, PeerResult, Results } from './results.js'
import { cellTable, table, targetTable } from './tables.js'

/** @param bounds the file with what is to be said about the rows of the targets */
export async function writeReport(
  results: Results,
  directory: string,
  bounds: string
): Promise<void> {
  mkdirSync(join(directory, 'charts'), { recursive: true })
  const charts = await drawCharts(results.families.flatMap(({ measurements }) => measurements))
  for (const { file, svg } of charts) writeFileSync(join(directory, 'charts', file), svg)
  writeFileSync(join(directory, 'results.json'), renderJson(results))
  writeFileSync(join(directory, 'RESULTS.md'), renderReport(results, charts, bounds))
}

function renderReport(results: Results, charts: readonly Chart[], bounds: string): string {
  return [
    '# Results',
    introduction(results),
    '## Targets',
    targetTable(results.verdicts),
    `A ratio is the median of the ratios of ${results.rounds} rounds, with the lowest and the highest.`,
    '## What bounds each row',
    // Its own heading is the one above.
    readFileSync(bounds, 'utf8')
      .replace(/^# .*\n+/, '')
      .trimEnd(),
    '## Charts',
    ...charts.map(({ file, title }) => `![${title}](charts/${file})`),
    ...results.families.map(renderFamily),
    '## Peers',
    peerTable(results.peers),
    ''
  ].join('\n\n')
}

function introduction({ date, machine, rounds, isQuick, families }: Results): string {
  const { processor, cores, memoryGiB, kernel, node, fdatasyncMs } = machine
  const seconds = families.reduce((sum, family) => sum + family.seconds, 0)
  return [
    `Written by \`pnpm bench\` on ${date.slice(0, 10)}, in ${Math.round(seconds / 60)} minutes: ` +
      `${cores} cores (${processor}), ${memoryGiB} GiB, ${kernel}, Node ${node.slice(1)}. ` +
      `One fdatasync takes ${fdatasyncMs.toFixed(2)} ms.`,
    isQuick ? '**A quick run: these numbers say nothing.**' : '',
    'All peers of a table are up at once and take turns: one round that warms up and ' +
      `${rounds} that count, each begun by another one. What is read is checked: values against ` +
      'their keys, scans for every entry in order. Where nothing else is said values have 100 bytes, ' +
      'and there are 100 thousand keys. `4x64`: 4 processes, each with 64 operations under way. ' +
      '`client` and `daemon`: processor time of an operation in all clients, and in what serves them.'
  ]
    .filter((paragraph) => paragraph !== '')
    .join('\n\n')
}

function renderFamily({ name, about, seconds, measurements }: FamilyResult): string {
  const cells = [...new Set(measurements.map(({ cell }) => cell))]
  return [
    `## ${name[0]?.toUpperCase()}${name.slice(1)}`,
    `${about} (${seconds} s)`,
    ...cells.map((name) => {
      const ofCell = measurements.filter(({ cell }) => cell === name)
      return `### ${name}\n\n${cellTable(ofCell)}`
    })
  ].join('\n\n')
}

function peerTable(peers: readonly PeerResult[]): string {
  const rows = peers.map(({ name, description, missing }) => [
    name,
    missing === undefined ? description : `missing: ${missing.split('\n')[0]}`
  ])
  return table(['peer', ''], rows)
}

/** Indented, but for lists of numbers; these have five digits, more than the machine can tell apart. */
function renderJson(results: Results): string {
  const shorten = (_key: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(5)) : value
  const text = JSON.stringify(results, shorten, 1)
  const onOneLine = text.replace(
    /\[\s+([-+\d.e,\s]+?)\s+\]/g,
    (_, list: string) => `[${list.replace(/\s+/g, ' ')}]`
  )
  return `${onOneLine}\n`
}

/** One cell, as the terminal shows it. */
export function renderCell(measurements: readonly Measurement[]): string {
  return `\n${measurements[0]?.cell}\n${cellTable(measurements)}`
}
