// The suite of abstract-level 1, which many-level is tested with, on its guests at our daemon.

import { it, vi } from 'vitest'
import { expectSuitePasses, REUSED_UNLESS_SLOW, RUN_MS } from './suite-run.js'

vi.setConfig({ testTimeout: RUN_MS + 60_000 })

it('a guest of connectGuest passes the suite of many-level', () =>
  expectSuitePasses(new URL('./guest-suite.js', import.meta.url), REUSED_UNLESS_SLOW, [], 5000))
