// Where the executable of this package is. Beside package.json, from source files and bundles alike.

import { fileURLToPath } from 'node:url'

export const ENTRY_PATH: string = fileURLToPath(new URL('../bin/partyd.cjs', import.meta.url))
