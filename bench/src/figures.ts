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
  /** Of each metric a value for each round, in the order of the rounds. */
  readonly values: Readonly<Partial<Record<Metric, readonly number[]>>>
}

export function createMeasurement(
  cell: string,
  entrant: string,
  rounds: readonly Figures[]
): Measurement {
  const metrics = Object.keys(rounds[0] ?? {}) as Metric[]
  const values = metrics.map((metric) => [metric, rounds.map((round) => round[metric] ?? 0)])
  return { cell, entrant, values: Object.fromEntries(values) }
}

/** One metric of every round; empty when it was not measured. */
export function valuesOf({ values }: Measurement, metric: Metric): readonly number[] {
  return values[metric] ?? []
}
