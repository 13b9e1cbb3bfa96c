import { formatStartReport, parseStartReport, type StartReport } from '@partyd/shared'
import { describe, expect, it } from 'vitest'

const REPORTS: StartReport[] = [
  { event: 'progress', message: 'two\nlines' },
  { event: 'ready', pid: 1, instanceId: 'abc', endpoint: '/data/partyd.sock', created: true },
  { event: 'deferred', pid: 2 },
  { event: 'error', exitCode: 21, error: { code: 'LEVEL_LOCKED', message: 'locked', pid: 3 } }
]

describe('start reports', () => {
  it.each(REPORTS)('come back from one line: $event', (report) => {
    const line = formatStartReport(report)
    expect(line.indexOf('\n')).toBe(line.length - 1)
    expect(parseStartReport(line)).toEqual(report)
  })

  it.each(['', 'a warning of some preloaded module', 'null', '7', '"event"', '{}', '{"event"'])(
    'are not found in %j',
    (line) => {
      expect(parseStartReport(line)).toBeUndefined()
    }
  )
})
