import {
  DATABASE_FLAGS,
  type DaemonArguments,
  parseDaemonArguments,
  toDaemonArguments
} from '@partyd/shared'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const database = fc.record(
  {
    createIfMissing: fc.boolean(),
    errorIfExists: fc.boolean(),
    compression: fc.boolean(),
    cacheSize: fc.nat(0xffff_ffff),
    writeBufferSize: fc.nat(),
    blockSize: fc.nat(),
    maxOpenFiles: fc.nat(),
    blockRestartInterval: fc.integer({ min: 1 }),
    maxFileSize: fc.nat()
  },
  { requiredKeys: [] }
)
const daemonArguments = fc.record(
  {
    location: fc.string({ unit: 'grapheme' }).map((text) => `/${text}`),
    mode: fc.constantFrom('auto' as const, 'foreground' as const, 'service' as const),
    readyFd: fc.nat(100),
    idleTimeoutMs: fc.oneof(fc.maxSafeNat(), fc.constant(Number.POSITIVE_INFINITY)),
    logLevel: fc.constantFrom('debug', 'info'),
    allowNetworkFs: fc.constant(true),
    slowOperationsMs: fc.oneof(fc.maxSafeNat(), fc.constant(Number.POSITIVE_INFINITY)),
    database
  },
  { requiredKeys: ['location', 'mode', 'database'] }
)

describe('daemon arguments', () => {
  it('come back from the command line as they were', () => {
    fc.assert(
      fc.property(daemonArguments, (options) => {
        const list = toDaemonArguments(options as DaemonArguments)
        expect(parseDaemonArguments(list)).toEqual(options)
      })
    )
  })

  it('say no more than they were told', () => {
    expect(toDaemonArguments({ location: '/data', mode: 'foreground', database: {} })).toEqual([
      'serve',
      '/data'
    ])
  })

  it('name every open option once', () => {
    const flags = Object.values(DATABASE_FLAGS).map(({ flag }) => flag)
    expect(new Set(flags).size).toBe(flags.length)
  })

  it.each([
    ['--ready-fd', 'three'],
    ['--ready-fd', '-1'],
    ['--idle-timeout', ''],
    ['--idle-timeout', '1.5'],
    ['--idle-timeout', 'Infinity'],
    ['--cache-size', '1e400'],
    ['--cache-size', ''],
    ['--cache-size', '8589934592'],
    ['--block-restart-interval', '0'],
    ['--max-open-files', '4294967295']
  ])('refuse %s %j', (flag, value) => {
    expect(() => parseDaemonArguments(['serve', '/data', `${flag}=${value}`])).toThrow(
      new RegExp(`^${flag} takes a whole number.*, not '${value}'$`)
    )
  })

  it('refuse a flag that does not exist', () => {
    expect(() => parseDaemonArguments(['serve', '/data', '--colour'])).toThrow(/--colour/)
  })
})
