// Preloaded into a daemon: the kernel says that everything is on a file system of another type. The
// product knows nothing of it.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { statfsSync } = fs
const type = BigInt(process.env['PARTYD_TEST_FILE_SYSTEM'])

fs.statfsSync = (path, options) => {
  const stat = statfsSync(path, options)
  stat.type = options?.bigint ? type : Number(type)
  return stat
}
syncBuiltinESMExports()
