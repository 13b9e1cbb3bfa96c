// `partyd compact`: rewrites a range without what was deleted or overwritten.

import { type Command, LOCATION } from '../command.js'
import { prefixEnd } from './byte-range.js'
import { type DataInput, KEY_OPTIONS, readDataInput } from './data-options.js'
import { type Scope, withScope } from './data-scope.js'

/** Behind every key, and those that partyd hides, too: what is behind nothing else is not compacted. */
const END = Buffer.alloc(17, 0xff)

export const compactCommand: Command = {
  name: 'compact',
  summary: 'rewrite the files of a range without what was deleted or overwritten',
  arguments: [LOCATION],
  options: [
    ...KEY_OPTIONS,
    { flags: '--gte <key>', description: 'from this key on' },
    { flags: '--lte <key>', description: 'up to this key' },
    { flags: '--prefix <key>', description: 'only keys that begin like this, byte for byte' }
  ],
  isWrite: true,
  example: 'compact ./data',
  async run(input, output) {
    const data = readDataInput(input)
    const startedAt = performance.now()
    await withScope(data, input, {}, (scope) => compact(scope, data))
    const ms = Math.round(performance.now() - startedAt)
    output.print({ done: true, ms }, `compacted in ${ms} ms`)
    return undefined
  }
}

/** LevelDB compacts whole files, so that a bound's own key more or less makes no difference. */
function compact({ database, prefix }: Scope, { range }: DataInput): Promise<void> {
  const start = Buffer.concat([prefix, range.gte ?? Buffer.alloc(0)])
  const end = range.lte ?? range.lt
  return database.compactRange(
    start,
    end === undefined ? (prefixEnd(prefix) ?? END) : Buffer.concat([prefix, end])
  )
}
