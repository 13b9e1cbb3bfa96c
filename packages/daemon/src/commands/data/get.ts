// `partyd get`: the value of a key.

import { type Command, LOCATION } from '../command.js'
import { CommandError, SCHEMA } from '../failure.js'
import type { Output } from '../output.js'
import { encodeArgument, isPlain, quote, toEscaped, toField } from './byte-encoding.js'
import { type DataInput, ENTRY_OPTIONS, readDataInput } from './data-options.js'
import { withScope } from './data-scope.js'

export const getCommand: Command = {
  name: 'get',
  summary: 'print the value of a key, byte for byte',
  arguments: [LOCATION, { name: 'key', description: 'behind `--` if it begins with a dash' }],
  options: ENTRY_OPTIONS,
  example: 'get ./data user:1 --value-encoding json',
  async run(input, output) {
    const data = readDataInput(input)
    const text = input.arguments[1] as string
    const key = encodeArgument(text, data.keys)
    const value = await withScope(data, input, {}, ({ entries }) => entries.get(key))
    if (value === undefined) {
      throw new CommandError(
        'LEVEL_NOT_FOUND',
        `there is no key ${quote(text)} in ${data.directory}`
      )
    }
    await printValue(key, value as Buffer, data, output)
    return undefined
  }
}

async function printValue(
  key: Buffer,
  value: Buffer,
  { keys, values }: DataInput,
  output: Output
): Promise<void> {
  if (output.json) {
    const entry = { ...toField('key', key, keys), ...toField('value', value, values) }
    return output.writeObject({ schema: SCHEMA, ...entry })
  }
  const formatted = values.format(value)
  if (formatted === undefined) {
    const hint = 'It is printed as it is by: --value-encoding raw.'
    throw new CommandError('LEVEL_DECODE_ERROR', `the value is not ${values.name}`, hint)
  }
  if (!output.isTerminal) return output.write(formatted)
  // Control characters would be taken for commands by the terminal.
  const isShown = typeof formatted === 'string' || isPlain(value)
  await output.write(`${isShown ? formatted : toEscaped(value, values)}\n`)
  if (!isShown) output.note('Escaped, for it is not plain text. Piped, it comes byte for byte.')
}
