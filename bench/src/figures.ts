// What can be measured, and how it is called in tables.

export type Metric =
  | 'operationsPerSecond'
  | 'p50Us'
  | 'p99Us'
  | 'clientUs'
  | 'serviceUs'
  | 'ms'
  | 'megabytes'

/** What one round of one entrant gave. */
export type Figures = Readonly<Partial<Record<Metric, number>>>

/** In the order of columns. The first that an entrant has is the one that is compared. */
export const METRICS: Readonly<Record<Metric, string>> = {
  operationsPerSecond: 'operations/s',
  ms: 'ms',
  megabytes: 'MB',
  p50Us: 'p50 µs',
  p99Us: 'p99 µs',
  clientUs: 'client µs/op',
  serviceUs: 'daemon µs/op'
}

/** What one entrant did in all rounds. */
export interface Measurement {
  readonly cell: string
  readonly entrant: string
  readonly rounds: readonly Figures[]
}

/** One figure of every round; empty when it was not measured. */
export function valuesOf({ rounds }: Measurement, metric: Metric): number[] {
  return rounds.flatMap((figures) => figures[metric] ?? [])
}
