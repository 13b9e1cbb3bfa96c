// Preloaded into a daemon: it says that it lacks the features of this version of the protocol. The
// product knows nothing of it.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const path = createRequire(process.argv[1]).resolve('@partyd/shared')
const { FEATURES } = await import(pathToFileURL(path))
FEATURES.splice(0, FEATURES.length, 'hasMany')
