// `partyd ls`: the entries of a range, one a line.

import { type Command, LOCATION } from '../command.js'
import { toEscaped, toField } from './byte-encoding.js'
import {
  BOUNDS,
  type DataInput,
  ENTRY_OPTIONS,
  LIMIT,
  REVERSE,
  readDataInput
} from './data-options.js'
import { withScope } from './data-scope.js'
import { type Entry, scan } from './scan.js'

export const lsCommand: Command = {
  name: 'ls',
  summary: 'list the entries of a range, one a line: key, tab, value',
  arguments: [LOCATION],
  options: [
    ...ENTRY_OPTIONS,
    ...BOUNDS,
    REVERSE,
    LIMIT,
    { flags: '--keys', description: 'only the keys' },
    { flags: '--values', description: 'only the values' }
  ],
  example: 'ls ./data --prefix user: --limit 10',
  async run(input, output) {
    const data = readDataInput(input)
    const columns = pickColumns(input.options)
    const format = createFormat(data, output.json, columns)
    const onLost = (): void => output.warn(LOST)
    await withScope(data, input, {}, async (scope) => {
      for await (const step of scan(scope, data, { values: columns.values, onLost })) {
        await output.write(step.map(format).join(''))
      }
    })
    return undefined
  }
}

const LOST = 'The daemon went down: what follows is of a later moment than what is above.'

interface Columns {
  readonly keys: boolean
  readonly values: boolean
}

function pickColumns({ keys, values }: Readonly<Record<string, unknown>>): Columns {
  return { keys: keys === true || values !== true, values: values === true || keys !== true }
}

/** Makes the line of an entry. */
function createFormat(
  { keys, values }: DataInput,
  isJson: boolean,
  columns: Columns
): (entry: Entry) => string {
  return ([key, value]) => {
    if (isJson) {
      const object = {
        ...(columns.keys && toField('key', key, keys)),
        ...(columns.values && toField('value', value as Buffer, values))
      }
      return `${JSON.stringify(object)}\n`
    }
    const texts: string[] = []
    if (columns.keys) texts.push(toEscaped(key, keys))
    if (columns.values) texts.push(toEscaped(value as Buffer, values))
    return `${texts.join('\t')}\n`
  }
}
