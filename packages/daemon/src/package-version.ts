// The version of this package, as hello, `partyd.json` and `--version` tell it.

import { readFileSync } from 'node:fs'

const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')

export const PACKAGE_VERSION: string = (JSON.parse(text) as { version: string }).version
