import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type ByteRange,
  behind,
  type GivenBounds,
  narrow,
  prefixEnd
} from '../../packages/daemon/dist/commands/data/byte-range.js'

/** Few different bytes, among them those at the ends, so that keys meet. */
const bytes = fc
  .array(fc.constantFrom(0x00, 0x61, 0xfe, 0xff), { maxLength: 4 })
  .map((list) => Buffer.from(list))
const bound = fc.option(bytes, { nil: undefined })
const bounds = fc.record({ gt: bound, gte: bound, lt: bound, lte: bound, prefix: bound })

function isWithin({ gt, gte, lt, lte }: ByteRange, key: Buffer): boolean {
  return (
    (gt === undefined || key.compare(gt) > 0) &&
    (gte === undefined || key.compare(gte) >= 0) &&
    (lt === undefined || key.compare(lt) < 0) &&
    (lte === undefined || key.compare(lte) <= 0)
  )
}

function beginsWith(key: Buffer, prefix: Buffer): boolean {
  return key.subarray(0, prefix.length).equals(prefix)
}

/** Without what is undefined, as a command has it. */
function given(all: Record<string, Buffer | undefined>): GivenBounds {
  return Object.fromEntries(Object.entries(all).filter(([, key]) => key !== undefined))
}

describe('narrow', () => {
  it('has exactly the keys that all bounds and the prefix allow', () => {
    fc.assert(
      fc.property(bounds, bytes, (all, key) => {
        const { prefix } = all
        const isMeant =
          isWithin(given(all), key) && (prefix === undefined || beginsWith(key, prefix))
        expect(isWithin(narrow(given(all)), key)).toBe(isMeant)
      }),
      { numRuns: 1_000 }
    )
  })

  it('has one bound on each side at most', () => {
    fc.assert(
      fc.property(bounds, (all) => {
        const { gt, gte, lt, lte } = narrow(given(all))
        expect(gt === undefined || gte === undefined).toBe(true)
        expect(lt === undefined || lte === undefined).toBe(true)
      })
    )
  })
})

describe('behind', () => {
  it('has the keys of the range that come after the one seen', () => {
    fc.assert(
      fc.property(bounds, bytes, bytes, fc.boolean(), (all, seen, key, isReverse) => {
        const range = narrow(given(all))
        if (!isWithin(range, seen)) return
        const isAfter = isReverse ? key.compare(seen) < 0 : key.compare(seen) > 0
        expect(isWithin(behind(range, seen, isReverse), key)).toBe(isWithin(range, key) && isAfter)
      }),
      { numRuns: 1_000 }
    )
  })
})

describe('prefixEnd', () => {
  it.each([
    ['61', '62'],
    ['61ff', '62'],
    ['fe', 'ff'],
    ['61ffff', '62'],
    ['ff00', 'ff01'],
    ['ff', undefined],
    ['ffff', undefined],
    ['', undefined]
  ])('of %s is %s', (prefix, end) => {
    expect(prefixEnd(Buffer.from(prefix, 'hex'))?.toString('hex')).toBe(end)
  })
})
