// The targets of the benchmark: which measurement is held against which, and what is asked.

import type { Measurement } from './cell.js'
import type { Turn } from './site.js'
import { paired, type Spread } from './statistics.js'

export interface Target {
  readonly row: number
  readonly what: string
  readonly cell: string
  readonly entrant: string
  readonly against: string
  /** What is compared. Default: operations a second. */
  readonly metric?: keyof Turn
  /** `ratio`: as many times as the other one; `difference`: so much more than the other one. */
  readonly compare: 'ratio' | 'difference'
  readonly wanted: 'at least' | 'at most'
  readonly floor: number
  readonly aim?: number
}

export interface Verdict {
  readonly target: Target
  /** Undefined when one of the two was not measured. */
  readonly measured: Spread | undefined
  readonly result: 'aim reached' | 'pass' | 'MISS' | 'not measured'
}

type Short = Omit<Target, 'entrant' | 'compare' | 'wanted'>

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

export const TARGETS: readonly Target[] = [...row1, ...row2, ...row4, ...row5, ...row6]

export function judge(measurements: readonly Measurement[]): Verdict[] {
  return TARGETS.map((target) => verdictOf(target, measurements))
}

function verdictOf(target: Target, measurements: readonly Measurement[]): Verdict {
  const metric = target.metric ?? 'operationsPerSecond'
  const valuesOf = (entrant: string): number[] | undefined =>
    measurements
      .find((one) => one.cell === target.cell && one.entrant === entrant)
      ?.turns.map((turn) => turn[metric])
  const own = valuesOf(target.entrant)
  const other = valuesOf(target.against)
  if (own === undefined || other === undefined) {
    return { target, measured: undefined, result: 'not measured' }
  }
  const isRatio = target.compare === 'ratio'
  const measured = paired(own, other, (left, right) => (isRatio ? left / right : left - right))
  return { target, measured, result: resultOf(target, measured.median) }
}

function resultOf(target: Target, value: number): Verdict['result'] {
  const reaches = (wanted: number): boolean =>
    target.wanted === 'at least' ? value >= wanted : value <= wanted
  if (target.aim !== undefined && reaches(target.aim)) return 'aim reached'
  return reaches(target.floor) ? 'pass' : 'MISS'
}
