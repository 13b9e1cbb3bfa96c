// `partyd put` and `partyd del`: one write each.

import { LIMITS, PartyError } from '@partyd/shared'
import { type Command, type CommandArgument, LOCATION } from '../command.js'
import { UsageError } from '../failure.js'
import type { Output } from '../output.js'
import { type ByteEncoding, encodeArgument, encodeInput } from './byte-encoding.js'
import { ENTRY_OPTIONS, KEY_OPTIONS, readDataInput, SYNC } from './data-options.js'
import { withScope } from './data-scope.js'

const KEY: CommandArgument = { name: 'key', description: 'behind `--` if it begins with a dash' }

export const putCommand: Command = {
  name: 'put',
  summary: 'set the value of a key; a database is made where there is none',
  arguments: [
    LOCATION,
    KEY,
    { name: 'value', description: '`-` or nothing: standard input', optional: true }
  ],
  options: [...ENTRY_OPTIONS, SYNC],
  isWrite: true,
  example: `put ./data user:1 '{"name":"Ada"}' --value-encoding json`,
  async run(input, output) {
    const data = readDataInput(input)
    const [, keyText, valueText] = input.arguments
    const key = encodeArgument(keyText as string, data.keys)
    const value = await readValue(valueText, data.values)
    const sync = input.options['sync'] === true ? { sync: true } : {}
    await withScope(data, input, { createIfMissing: true }, ({ entries }) =>
      entries.put(key, value, sync)
    )
    return done(output)
  }
}

export const delCommand: Command = {
  name: 'del',
  summary: 'delete a key, be it there or not',
  arguments: [LOCATION, KEY],
  options: [...KEY_OPTIONS, SYNC],
  isWrite: true,
  example: 'del ./data user:1',
  async run(input, output) {
    const data = readDataInput(input)
    const key = encodeArgument(input.arguments[1] as string, data.keys)
    const sync = input.options['sync'] === true ? { sync: true } : {}
    await withScope(data, input, {}, ({ entries }) => entries.del(key, sync))
    return done(output)
  }
}

/** People see that nothing went wrong. */
function done(output: Output): undefined {
  if (output.json) output.print({ done: true }, '')
}

async function readValue(text: string | undefined, encoding: ByteEncoding): Promise<Buffer> {
  if (text !== undefined && text !== '-') return encodeArgument(text, encoding)
  if (text === undefined && process.stdin.isTTY) {
    throw new UsageError('there is no value', 'Give it behind the key, or pipe it in.')
  }
  return encodeInput(await readStandardInput(), encoding)
}

async function readStandardInput(): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > LIMITS.frameBytesMax) {
      throw new PartyError(
        'PARTYD_TOO_LARGE',
        `The value is larger than the ${LIMITS.frameBytesMax} bytes that a frame may have.`,
        { operation: 'put' }
      )
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
