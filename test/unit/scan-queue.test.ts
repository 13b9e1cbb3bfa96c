import { LIMITS } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { type Scan, ScanQueue, type ScanTurn } from '../../packages/daemon/dist/store/scan-queue.js'

/** A scan whose one step ends when it is told to. */
class Step implements Scan {
  readonly stepBytes: number
  turn: ScanTurn | undefined
  end: () => void = () => {}

  constructor(stepBytes: number) {
    this.stepBytes = stepBytes
  }

  async step(turn: ScanTurn): Promise<boolean> {
    this.turn = turn
    await new Promise<void>((resolve) => {
      this.end = resolve
    })
    return false
  }
}

function start(sizes: readonly number[], hasReaders: () => boolean = () => false): Step[] {
  const queue = new ScanQueue(hasReaders)
  const steps = sizes.map((bytes) => new Step(bytes))
  for (const step of steps) queue.add(step)
  return steps
}

const isRunning = ({ turn }: Step): boolean => turn !== undefined

describe('a queue of scans', () => {
  it('runs one large step at a time, in turn', async () => {
    const steps = start([LIMITS.scanStepBytes, LIMITS.scanStepBytes, 1])
    expect(steps.map(isRunning)).toEqual([true, false, false])
    steps[0]?.end()
    await new Promise(setImmediate)
    expect(steps.map(isRunning)).toEqual([true, true, false])
  })

  it('runs a few small ones at once, and leaves a thread to others', () => {
    expect(start([1, 1, 1, 1]).map(isRunning)).toEqual([true, true, true, false])
  })

  it('tells a scan whether it is alone', async () => {
    const [first, second] = start([1, 1]) as [Step, Step]
    expect(first.turn?.isAlone).toBe(false)
    expect(first.turn?.stepBytes).toBe(LIMITS.scanStepBytes)
    second.end()
    await new Promise(setImmediate)
    expect(first.turn?.isAlone).toBe(true)
    expect(first.turn?.stepBytes).toBe(LIMITS.scanDemandBytesMax)
  })

  it('has even a scan that is alone do little in one go while others read by key', () => {
    let hasReaders = true
    const [only] = start([1], () => hasReaders) as [Step]
    expect(only.turn).toMatchObject({
      isAlone: true,
      stepBytes: LIMITS.scanStepBesideReadsBytes,
      answerBytes: LIMITS.scanAnswerBesideReadsBytes
    })
    hasReaders = false
    expect(only.turn).toMatchObject({
      stepBytes: LIMITS.scanDemandBytesMax,
      answerBytes: LIMITS.scanDemandBytesMax
    })
  })
})
