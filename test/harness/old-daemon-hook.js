// Preloaded into a daemon: it says that it has no optional part of the protocol. The product knows
// nothing of it.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import './unbundled.js'

const path = createRequire(process.argv[1]).resolve('@partyd/shared')
const { FEATURES } = await import(pathToFileURL(path))
FEATURES.length = 0
