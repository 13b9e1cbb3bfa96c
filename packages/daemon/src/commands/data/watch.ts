// `partyd watch`: the changes that all processes make, one a line, as they are made.

import { type Command, LOCATION } from '../command.js'
import { Interrupted } from '../interruption.js'
import type { Output } from '../output.js'
import { toEscaped, toField } from './byte-encoding.js'
import { BOUNDS, type DataInput, ENTRY_OPTIONS, LIMIT, readDataInput } from './data-options.js'
import { type Scope, withScope } from './data-scope.js'

type Watch = ReturnType<Scope['entries']['watch']>
type Change = NonNullable<Awaited<ReturnType<Watch['next']>>['value']>

export const watchCommand: Command = {
  name: 'watch',
  summary: 'print the changes that all processes make, one a line, until interrupted',
  arguments: [LOCATION],
  options: [...ENTRY_OPTIONS, ...BOUNDS, LIMIT],
  example: 'watch ./data --prefix user: --json',
  interruption: 'abort',
  async run(input, output) {
    const data = readDataInput(input)
    const { signal } = input
    try {
      await withScope(data, input, {}, (scope) => follow(scope, data, signal, output))
      return undefined
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    }
  }
}

/** The end of its time is how a watch ends, provided that it had begun. */
async function follow(
  { entries }: Scope,
  data: DataInput,
  signal: AbortSignal,
  output: Output
): Promise<void> {
  const watch = entries.watch(data.range, { signal })
  await watch.ready
  output.warn(`watching ${data.directory}`)
  try {
    await printChanges(watch, data, output)
  } catch (error) {
    if (!signal.aborted || signal.reason instanceof Interrupted) throw error
  }
}

/** A reset is none of the changes that are counted. */
async function printChanges(watch: Watch, data: DataInput, output: Output): Promise<void> {
  let left = data.limit
  while (left > 0) {
    const { value: change } = await watch.next()
    if (change === undefined) return
    await output.write(output.json ? toJson(change, data) : toLine(change, data))
    if (change.type !== 'reset') left--
  }
}

function toJson(change: Change, { keys, values }: DataInput): string {
  if (change.type === 'reset') return '{"type":"reset"}\n'
  const { type, key, seq, last } = change
  const object = {
    type,
    ...toField('key', key as Buffer, keys),
    ...(type === 'put' && toField('value', change.value as Buffer, values)),
    seq,
    last
  }
  return `${JSON.stringify(object)}\n`
}

function toLine(change: Change, { keys, values }: DataInput): string {
  if (change.type === 'reset') return 'reset\n'
  const key = toEscaped(change.key as Buffer, keys)
  if (change.type === 'del') return `del\t${key}\n`
  return `put\t${key}\t${toEscaped(change.value as Buffer, values)}\n`
}
