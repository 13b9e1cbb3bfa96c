// Preloaded into a daemon: notes for each LevelDB batch with a visible key whether it waits for the
// disk. The product knows nothing of it.

import { appendFileSync } from 'node:fs'
import { interceptBatches } from './leveldb-binding.js'

interceptBatches(async (keys, write, sync) => {
  await write()
  const key = keys.find((key) => !key.includes('partyd'))
  if (key !== undefined) appendFileSync(process.env['PARTYD_TEST_SYNC'], `${key} ${sync}\n`)
})
