// Preloaded into a daemon: notes for each LevelDB batch with a visible key whether it waits for the
// disk. The product knows nothing of it.

import { appendFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const { ClassicLevel } = createRequire(process.argv[1])('classic-level')
const { _chainedBatch: createBatch } = ClassicLevel.prototype

ClassicLevel.prototype._chainedBatch = function () {
  const batch = createBatch.call(this)
  const keys = []
  for (const name of ['put', 'del']) {
    const method = batch[name]
    batch[name] = function (key, ...rest) {
      keys.push(String(key))
      return method.call(this, key, ...rest)
    }
  }
  const { write } = batch
  batch.write = async function (options) {
    await write.call(this, options)
    const key = keys.find((key) => !key.includes('partyd'))
    if (key !== undefined) {
      appendFileSync(process.env['PARTYD_TEST_SYNC'], `${key} ${options?.sync === true}\n`)
    }
  }
  return batch
}
