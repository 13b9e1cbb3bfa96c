// README's tables and the code must say the same.

import { readFileSync } from 'node:fs'
import { EXIT_CODES, PARTY_ERRORS } from '@partyd/shared'
import { describe, expect, it } from 'vitest'

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

describe('README', () => {
  it('lists every error code with its meaning', () => {
    const rows = [...README.matchAll(/^\| `(PARTYD_[A-Z_]+)` \| (.+) \|$/gm)]
    expect(Object.fromEntries(rows.map(([, code, text]) => [code, text]))).toEqual(PARTY_ERRORS)
  })

  it('lists every exit code', () => {
    const codes = [...README.matchAll(/^\| (\d+) \| /gm)].map(([, code]) => Number(code))
    expect(codes).toEqual(Object.values(EXIT_CODES))
  })
})
