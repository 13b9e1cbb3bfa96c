import { describe, expect, it } from 'vitest'
import {
  boundKey,
  boundRange,
  boundSeek,
  HIDDEN_PREFIX,
  HIDDEN_TAG,
  isHidden,
  type Range
} from '../../packages/daemon/dist/store/key-space.js'

const RECORD = Buffer.concat([HIDDEN_PREFIX, HIDDEN_TAG, Buffer.from('record')])
const BEYOND = Buffer.alloc(40, 0xff)
const ALMOST = Buffer.concat([Buffer.alloc(15, 0xff), Buffer.from([0xfe, 0xff, 0xff])])
const A = Buffer.from('a')
const Z = Buffer.from('z')

describe('boundKey', () => {
  it.each([HIDDEN_PREFIX, RECORD, BEYOND])('moves %j before the hidden keys', (key) => {
    expect(boundKey(key)).toBe(HIDDEN_PREFIX)
  })

  it.each([A, Z, ALMOST, Buffer.alloc(0)])('leaves %j', (key) => {
    expect(boundKey(key)).toBe(key)
  })
})

describe('isHidden', () => {
  it.each([HIDDEN_PREFIX, RECORD, BEYOND, new Uint8Array(RECORD)])('hides %j', (key) => {
    expect(isHidden(key)).toBe(true)
  })

  it.each([Buffer.alloc(0), A, Buffer.alloc(15, 0xff), ALMOST, Buffer.from('\uffff'.repeat(20))])(
    'does not hide %j',
    (key) => {
      expect(isHidden(key)).toBe(false)
    }
  )
})

describe('boundRange', () => {
  it.each<[string, Range, Range]>([
    ['no bound', {}, { lte: HIDDEN_PREFIX }],
    ['a lower bound', { gte: A }, { gte: A, lte: HIDDEN_PREFIX }],
    ['an lt that is hidden', { gt: A, lt: BEYOND }, { gt: A, lte: HIDDEN_PREFIX }],
    ['an lte that is hidden', { lte: RECORD }, { lte: HIDDEN_PREFIX }],
    ['an lt that is the prefix', { lt: HIDDEN_PREFIX }, { lte: HIDDEN_PREFIX }],
    // Or classic-level would see the weaker bound beside ours.
    ['a hidden lte beside an lt', { lt: Z, lte: BEYOND }, { lte: HIDDEN_PREFIX }]
  ])('ends a range with %s before the hidden keys', (_name, range, bounded) => {
    expect(boundRange(range)).toEqual(bounded)
  })

  it.each<Range>([
    { lt: Z },
    { gte: A, lte: Z },
    { lt: BEYOND, lte: Z },
    { lte: ALMOST },
    { lt: Buffer.alloc(0) }
  ])('leaves a range alone that ends earlier: %j', (range) => {
    expect(boundRange(range)).toEqual(range)
  })

  it('does not change the range it is given', () => {
    const range = { gte: A, lt: BEYOND }
    boundRange(range)
    expect(range).toEqual({ gte: A, lt: BEYOND })
  })
})

describe('boundSeek', () => {
  it('goes to the end of the user’s keys for a hidden target, and anywhere else as asked', () => {
    expect(boundSeek(RECORD)).toEqual(HIDDEN_PREFIX)
    expect(boundSeek(ALMOST)).toBe(ALMOST)
  })
})
