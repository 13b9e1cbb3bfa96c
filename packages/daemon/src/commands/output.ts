// What a command prints: for people by default, for programs with `--json`. Results go to standard
// output, everything else to standard error.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect, styleText } from 'node:util'
import { EXIT, type Failure, SCHEMA } from './failure.js'

/** How long an ended command waits for its output to be read. */
const UNREAD_MS = 500

export type Style = Parameters<typeof styleText>[0]

export class Output {
  /** Whether a program reads it: one object, or one a line where there are many. */
  readonly json: boolean
  /** Aborted when the command is being ended. */
  #signal = new AbortController().signal

  constructor(json: boolean) {
    this.json = json
    // Whoever read us has read enough, as in `partyd ls . | head`.
    process.stdout.on('error', endAfterOutput)
    process.stderr.on('error', endAfterOutput)
  }

  /** Whether a person watches the results come. */
  get isTerminal(): boolean {
    return !this.json && process.stdout.isTTY === true
  }

  /** Whether a person watches what goes to standard error, be the results piped away. */
  get showsProgress(): boolean {
    return !this.json && process.stderr.isTTY === true
  }

  /** The result: an object, which gets the field `schema`, or what it is for people, without its last line feed. */
  print(object: object, text: string): void {
    const line = this.json ? toJson({ schema: SCHEMA, ...object }) : text
    process.stdout.write(`${line}\n`)
  }

  /** From here on nobody who does not read keeps the command, once that is aborted. */
  endBy(signal: AbortSignal): void {
    this.#signal = signal
  }

  /** One of many results. Resolves when there is room for the next. @throws the reason of the command's end. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (process.stdout.write(bytes)) return
    const signal = this.#signal
    await once(process.stdout, 'drain', { signal }).catch((error) => {
      throw signal.aborted ? signal.reason : error
    })
  }

  /** Resolves when all output is with whoever reads it, or has had its time if the command was ended. */
  async isRead(): Promise<void> {
    const read = new Promise<void>((resolve) => process.stdout.write('', () => resolve()))
    await (this.#signal.aborted ? Promise.race([read, sleep(UNREAD_MS)]) : read)
  }

  /** One of many results as a line of JSON. */
  writeObject(object: object): Promise<void> {
    return this.write(`${toJson(object)}\n`)
  }

  /** For people, beside the result: what is going on, what to know. */
  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`)
  }

  /** What is otherwise than expected, and whoever reads JSON must be able to see, too. */
  warn(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  /** What went wrong and what to do next; a program finds it in the one object, too. */
  fail({ code, message, hint, details }: Failure): void {
    const next = hint === undefined ? '' : `\n  ${hint}`
    process.stderr.write(`${code}: ${message}${next}\n`)
    if (this.json) this.print({ error: { code, message, hint, ...details } }, '')
  }

  /** The text in a colour, if standard output can show it and nobody has said NO_COLOR. */
  style(style: Style, text: string): string {
    // hasColors knows NO_COLOR, FORCE_COLOR and what the terminal can do.
    const hasColors = this.isTerminal && process.stdout.hasColors?.()
    return hasColors ? styleText(style, text) : text
  }

  /** Names and values below each other, in two columns; undefined ones are left out. */
  list(values: Readonly<Record<string, unknown>>): string {
    const entries = Object.entries(values).filter(([, value]) => value !== undefined)
    const width = Math.max(...entries.map(([name]) => name.length))
    return entries
      .map(([name, value]) => `${this.style('dim', name.padEnd(width))}  ${toText(value)}`)
      .join('\n')
  }
}

function toText(value: unknown): string {
  return typeof value === 'string'
    ? value
    : inspect(value, { breakLength: Number.POSITIVE_INFINITY })
}

function toJson(object: object): string {
  return JSON.stringify(object)
}

function endAfterOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(EXIT.ok)
  // Standard error may be what has failed.
  process.stderr.off('error', endAfterOutput)
  process.stderr.on('error', () => {})
  process.stderr.write(`LEVEL_IO_ERROR: Cannot write the output: ${error.message}\n`)
  process.exit(EXIT.disk)
}
