import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../packages/client/dist/options.js'

describe('the options of a client', () => {
  it.each([
    ['signal', {}],
    ['signal', 5],
    ['spawn', 'node'],
    ['spawn.execPath', { execPath: 1 }],
    ['spawn.entry', { entry: new URL('file:///partyd.cjs') }],
    ['spawn.args', { args: '--inspect' }],
    ['spawn.args', { args: [1] }],
    ['spawn.env', { env: 'A=1' }],
    ['retry', 'yes'],
    ['idleTimeoutMs', -1],
    ['idleTimeoutMs', '30s'],
    ['cacheSize', 1.5],
    ['cacheSize', 2 ** 33],
    ['blockRestartInterval', 0],
    ['blockSize', '4096'],
    ['logLevel', 'loud']
  ])('are refused where %s is of another type or range', (name, value) => {
    const option = name.split('.')[0] as string
    expect(() => resolveOptions({ [option]: value })).toThrow(
      expect.objectContaining({ name: 'TypeError', message: expect.stringContaining(`'${name}'`) })
    )
  })

  it('take null for the default', () => {
    const names = ['signal', 'spawn', 'logLevel', 'retry', 'idleTimeoutMs']
    expect(resolveOptions(Object.fromEntries(names.map((name) => [name, null])))).toEqual(
      resolveOptions({})
    )
  })

  it('take a time beyond all digits for ever', () => {
    expect(resolveOptions({ idleTimeoutMs: 1e20 }).idleTimeoutMs).toBe(Number.POSITIVE_INFINITY)
    expect(resolveOptions({ idleTimeoutMs: 1e10 }).idleTimeoutMs).toBe(1e10)
  })
})
