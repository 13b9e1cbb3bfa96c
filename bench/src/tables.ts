// The results as tables of Markdown, which read as well on a terminal.

import type { Measurement } from './cell.js'
import { paired, spreadOf } from './statistics.js'
import type { Verdict } from './targets.js'

/** Who the others are compared to. */
const OWN = 'partyd'

export function cellTable(measurements: readonly Measurement[]): string {
  const own = measurements.find(({ entrant }) => entrant === OWN) ?? measurements[0]
  const rows = measurements.map((measurement) => cellRow(measurement, own))
  const head = [
    '',
    'operations/s',
    'min … max',
    `${own?.entrant ?? OWN} is × of it`,
    'p50 µs',
    'p99 µs',
    'client µs/op',
    'daemon µs/op'
  ]
  return table(head, rows)
}

function cellRow(measurement: Measurement, own: Measurement | undefined): string[] {
  const { entrant, turns } = measurement
  const rates = turns.map((turn) => turn.operationsPerSecond)
  const { median, min, max } = spreadOf(rates)
  const mid = (of: (turn: (typeof turns)[number]) => number): string =>
    significant(spreadOf(turns.map(of)).median)
  const ratio =
    own === undefined || own === measurement
      ? ''
      : paired(
          own.turns.map((turn) => turn.operationsPerSecond),
          rates
        ).median.toFixed(2)
  return [
    entrant,
    count(median),
    `${count(min)} … ${count(max)}`,
    ratio,
    mid((turn) => turn.p50Us),
    mid((turn) => turn.p99Us),
    mid((turn) => turn.clientUs),
    mid((turn) => turn.serviceUs)
  ]
}

export function targetTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ target, measured, result }) => [
    String(target.row),
    target.what,
    target.against,
    measured === undefined
      ? '–'
      : `${amount(measured.median)} (${amount(measured.min)} … ${amount(measured.max)})`,
    `${target.wanted === 'at least' ? '≥' : '≤'} ${target.floor}`,
    target.aim === undefined ? '' : String(target.aim),
    result
  ])
  return table(['row', 'workload', 'against', 'measured', 'floor', 'aim', ''], rows)
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) =>
    Math.max(3, ...[head, ...rows].map((row) => (row[column] ?? '').length))
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [line(head), rule, ...rows.map(line)].join('\n')
}

function count(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : significant(value)
}

function significant(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return Number.isNaN(value) ? '–' : String(Number(value.toPrecision(3)))
}

function amount(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(2)
}
