// The targets of the benchmark: which measurement is held against which, and what is asked.

import { type Measurement, type Metric, valuesOf } from './figures.js'
import { paired, type Spread, spreadOf } from './statistics.js'

export interface Target {
  readonly row: number
  readonly what: string
  readonly cell: string
  readonly entrant: string
  /** Undefined where the value itself is judged. */
  readonly against?: string
  /** What is compared. Default: operations a second. */
  readonly metric?: Metric
  /** `ratio`: as many times as the other one; `difference`: so much more than the other one. */
  readonly compare: 'ratio' | 'difference' | 'value'
  readonly wanted: 'at least' | 'at most'
  readonly floor: number
  readonly aim?: number
  /** Milliseconds that an fdatasync must take here, or it says nothing. */
  readonly fdatasyncMs?: number
}

export interface Verdict {
  readonly target: Target
  /** Undefined when one of the two was not measured. */
  readonly measured: Spread | undefined
  readonly result: 'aim reached' | 'pass' | 'MISS' | 'not measured' | 'disk too fast'
}

type Short = Omit<Target, 'entrant' | 'compare' | 'wanted'> & { readonly entrant?: string }

const throughput = (short: Short): Target => ({
  entrant: 'partyd',
  compare: 'ratio',
  wanted: 'at least',
  ...short
})

const raveFloors = { get: 4, put: 5, mixed: 4 }

const row1: readonly Target[] = [
  ...Object.entries(raveFloors).map(([kind, floor]) =>
    throughput({
      row: 1,
      what: `${kind}, 4 processes × 64`,
      cell: `${kind}-4x64`,
      against: 'rave-level',
      floor,
      aim: 6
    })
  ),
  ...['get', 'put'].map((kind) =>
    throughput({
      row: 1,
      what: `${kind}, 4 processes × 64`,
      cell: `${kind}-4x64`,
      against: 'redis',
      floor: 2
    })
  )
]

const row2: readonly Target[] = [
  { kind: 'put', floor: 1, aim: 1.3 },
  { kind: 'get', floor: 0.7, aim: 1 }
].map(({ kind, floor, aim }) =>
  throughput({
    row: 2,
    what: `${kind}, 1 process × 256`,
    cell: `${kind}-1x256`,
    against: 'classic-level',
    floor,
    aim
  })
)

const row3: readonly Target[] = [
  throughput({
    row: 3,
    what: 'sync puts, 4 processes × 64',
    cell: 'sync-put-4x64',
    against: 'classic-level',
    floor: 6,
    aim: 10,
    fdatasyncMs: 0.2
  })
]

const row4: readonly Target[] = [
  {
    row: 4,
    what: 'get after get, µs more, processor kept awake',
    cell: 'latency-awake',
    entrant: 'partyd',
    against: 'echo',
    metric: 'p50Us',
    compare: 'difference',
    wanted: 'at most',
    floor: 30,
    aim: 15
  },
  ...[
    { against: 'echo', floor: 1.3 },
    { against: 'rave-level', floor: 0.75 }
  ].map(
    ({ against, floor }): Target => ({
      row: 4,
      what: 'get after get, median time',
      cell: 'latency',
      entrant: 'partyd',
      against,
      metric: 'p50Us',
      compare: 'ratio',
      wanted: 'at most',
      floor
    })
  )
]

const row5: readonly Target[] = [
  { encoding: 'utf8', floor: 1.1, aim: 1.5 },
  { encoding: 'buffer', floor: 0.6, aim: 1 }
].flatMap(({ encoding, floor, aim }) => {
  const scan = { row: 5, what: `full scan, ${encoding}`, cell: `scan-iterator-${encoding}` }
  return [
    throughput({ ...scan, against: 'classic-level', floor, aim }),
    throughput({ ...scan, against: 'rave-level', floor: 2 })
  ]
})

const row6: readonly Target[] = [
  { cell: 'batch-1000-1x1', what: 'batches of 1,000, one at a time' },
  { cell: 'batch-1000-1x8', what: 'batches of 1,000, 8 in flight' },
  { cell: 'getMany-100-1x1', what: 'getMany of 100, one at a time' },
  { cell: 'getMany-100-1x8', what: 'getMany of 100, 8 in flight' }
].flatMap((many) => [
  throughput({ row: 6, ...many, against: 'classic-level', floor: 0.8, aim: 1.2 }),
  throughput({ row: 6, ...many, against: 'rave-level', floor: 3 })
])

const row7: readonly Target[] = ['get', 'put'].flatMap((kind) => [
  throughput({
    row: 7,
    what: `${kind}, 64 connections`,
    cell: `connections-${kind}`,
    entrant: '64 connections',
    against: '4 connections',
    floor: 0.8,
    aim: 1
  }),
  throughput({
    row: 7,
    what: `${kind}, 64 processes`,
    cell: `processes-64-${kind}`,
    against: 'rave-level',
    floor: 2
  })
])

const underLoad = {
  row: 8,
  cell: 'get-loaded',
  entrant: 'partyd',
  metric: 'p99Us',
  wanted: 'at most'
} as const

const row8: readonly Target[] = [
  {
    ...underLoad,
    what: 'get under load, 99th percentile',
    against: 'echo',
    compare: 'ratio',
    floor: 3,
    aim: 2
  },
  {
    ...underLoad,
    what: 'get under load, 99th percentile, µs',
    compare: 'value',
    floor: 20_000
  }
]

const row9: readonly Target[] = ['get', 'mixed', 'put'].map((kind) =>
  throughput({
    row: 9,
    what: `${kind}, 1 million keys in cache`,
    cell: `million-${kind}`,
    entrant: '1 million keys',
    against: '100 thousand keys',
    floor: 0.75,
    aim: 0.9
  })
)

const row10: readonly Target[] = [
  { what: '64 idle clients, MB', cell: 'memory-idle', entrant: '64 idle clients', floor: 90 },
  {
    what: 'a reader stopped in mid-scan, MB',
    cell: 'memory-stopped-reader',
    entrant: 'stopped reader',
    floor: 120
  }
].map((short) => ({
  row: 10,
  metric: 'megabytes',
  compare: 'value',
  wanted: 'at most',
  ...short
}))

export const TARGETS: readonly Target[] = [
  ...row1,
  ...row2,
  ...row3,
  ...row4,
  ...row5,
  ...row6,
  ...row7,
  ...row8,
  ...row9,
  ...row10
]

/** @param fdatasyncMs what an fdatasync takes on this machine */
export function judge(measurements: readonly Measurement[], fdatasyncMs: number): Verdict[] {
  return TARGETS.map((target) => {
    const measured = measure(target, measurements)
    if (measured === undefined) return { target, measured, result: 'not measured' }
    if (fdatasyncMs < (target.fdatasyncMs ?? 0))
      return { target, measured, result: 'disk too fast' }
    return { target, measured, result: resultOf(target, measured.median) }
  })
}

function measure(target: Target, measurements: readonly Measurement[]): Spread | undefined {
  const { metric = 'operationsPerSecond', cell } = target
  const find = (entrant: string): readonly number[] => {
    const found = measurements.find((one) => one.cell === cell && one.entrant === entrant)
    return found === undefined ? [] : valuesOf(found, metric)
  }
  const own = find(target.entrant)
  if (own.length === 0) return undefined
  if (target.against === undefined) return spreadOf(own)
  const other = find(target.against)
  if (other.length === 0) return undefined
  const isRatio = target.compare === 'ratio'
  return paired(own, other, (left, right) => (isRatio ? left / right : left - right))
}

function resultOf(target: Target, value: number): Verdict['result'] {
  const reaches = (wanted: number): boolean =>
    target.wanted === 'at least' ? value >= wanted : value <= wanted
  if (target.aim !== undefined && reaches(target.aim)) return 'aim reached'
  return reaches(target.floor) ? 'pass' : 'MISS'
}
