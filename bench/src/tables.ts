// The results as tables of Markdown, which read as well on a terminal.

import { METRICS, type Measurement, type Metric, valuesOf } from './figures.js'
import { paired, spreadOf } from './statistics.js'
import type { Verdict } from './targets.js'

/** Who the others are compared to. */
const OWN = 'partyd'

/** All entrants of one cell. */
export function cellTable(measurements: readonly Measurement[]): string {
  const own = measurements.find(({ entrant }) => entrant === OWN) ?? measurements[0]
  if (own === undefined) return ''
  const [main, ...others] = metricsOf(own)
  if (main === undefined) return ''
  const head = [
    '',
    METRICS[main],
    'min … max',
    `${own.entrant} ÷ it`,
    ...others.map((metric) => METRICS[metric])
  ]
  const rows = measurements.map((measurement) => {
    const { median, min, max } = spreadOf(valuesOf(measurement, main))
    return [
      measurement.entrant,
      rounded(median),
      `${rounded(min)} … ${rounded(max)}`,
      measurement === own ? '' : ratio(own, measurement, main),
      ...others.map((metric) => rounded(spreadOf(valuesOf(measurement, metric)).median))
    ]
  })
  return table(head, rows)
}

export function targetTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ target, measured, result }) => [
    String(target.row),
    target.what,
    target.against ?? '',
    measured === undefined
      ? '–'
      : `${precise(measured.median)} (${precise(measured.min)} … ${precise(measured.max)})`,
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

function metricsOf(measurement: Measurement): Metric[] {
  return (Object.keys(METRICS) as Metric[]).filter(
    (metric) => valuesOf(measurement, metric).length > 0
  )
}

function ratio(own: Measurement, other: Measurement, metric: Metric): string {
  return precise(paired(valuesOf(own, metric), valuesOf(other, metric)).median)
}

/** Three digits, or a whole number. */
export function rounded(value: number): string {
  if (Number.isNaN(value)) return '–'
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

function precise(value: number): string {
  if (Number.isNaN(value)) return '–'
  return Math.abs(value) < 10 ? value.toFixed(2) : rounded(value)
}
