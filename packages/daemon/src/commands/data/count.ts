// `partyd count`: how many keys a range has.

import { type Command, LOCATION } from '../command.js'
import { BOUNDS, KEY_OPTIONS, LIMIT, readDataInput } from './data-options.js'
import { withScope } from './data-scope.js'
import { scan } from './scan.js'

export const countCommand: Command = {
  name: 'count',
  summary: 'count the keys of a range',
  arguments: [LOCATION],
  options: [...KEY_OPTIONS, ...BOUNDS, LIMIT],
  example: 'count ./data --prefix user:',
  async run(input, output) {
    const data = readDataInput(input)
    const onLost = (): void =>
      output.warn('The daemon went down: the count is of more than one moment.')
    let count = 0
    await withScope(data, input, {}, async (scope) => {
      for await (const step of scan(scope, data, { values: false, onLost })) count += step.length
    })
    output.print({ count }, String(count))
    return undefined
  }
}
