// The client's version stands in its source as well.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { PACKAGE_VERSION } from '../../packages/client/src/package-version.js'

it('is that of package.json', () => {
  const path = new URL('../../packages/client/package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string }
  expect(PACKAGE_VERSION).toBe(version)
})
