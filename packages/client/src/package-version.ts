// The version of this package, as hello tells it to the daemon's log.

import { createRequire } from 'node:module'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

export const PACKAGE_VERSION: string = version
