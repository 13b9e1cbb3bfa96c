// abstract-level's own suite, in full, on PartyLevel over real sockets. One of the runs starts a daemon
// for each of its databases, which takes nearly all of its time; by default the other runs do without.

import { PartyLevel } from '@partyd/client'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Locations } from '../harness/locations.js'
import { expectSuitePasses, REUSED_UNLESS_SLOW, RUN_MS } from './suite-run.js'

vi.setConfig({ testTimeout: RUN_MS + 60_000 })

describe.each([true, false])('with retry: %s', (retry) => {
  const locations = new Locations()
  afterEach(() => locations.reap())

  it('PartyLevel says what it supports', async () => {
    const db = new PartyLevel(locations.create(), { retry, autospawn: false })
    expect(db.supports).toMatchObject({
      has: true,
      seek: true,
      createIfMissing: true,
      errorIfExists: true,
      permanence: true,
      deferredOpen: true,
      encodings: { utf8: true, buffer: true, view: true },
      signals: { iterators: true },
      implicitSnapshots: !retry,
      explicitSnapshots: true,
      getSync: false
    })
    for (const encoding of ['utf8', 'buffer', 'view'] as const) {
      expect(db.keyEncoding(encoding).format, `${encoding} is native`).toBe(encoding)
    }
    await db.close()
  })

  it('PartyLevel passes the suite of abstract-level', () =>
    expectSuitePasses(
      new URL('./party-level-suite.js', import.meta.url),
      retry ? 'new' : REUSED_UNLESS_SLOW,
      [String(retry)],
      4000
    ))
})
