import { LIMITS } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { type Scan, ScanQueue } from '../../packages/daemon/dist/store/scan-queue.js'

/** A scan whose one step ends when it is told to. */
class Step implements Scan {
  readonly stepBytes: number
  isAlone: (() => boolean) | undefined
  end: () => void = () => {}

  constructor(stepBytes: number) {
    this.stepBytes = stepBytes
  }

  async step(isAlone: () => boolean): Promise<boolean> {
    this.isAlone = isAlone
    await new Promise<void>((resolve) => {
      this.end = resolve
    })
    return false
  }
}

function start(sizes: readonly number[]): Step[] {
  const queue = new ScanQueue()
  const steps = sizes.map((bytes) => new Step(bytes))
  for (const step of steps) queue.add(step)
  return steps
}

const isRunning = ({ isAlone }: Step): boolean => isAlone !== undefined

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
    expect(first.isAlone?.()).toBe(false)
    second.end()
    await new Promise(setImmediate)
    expect(first.isAlone?.()).toBe(true)
  })
})
