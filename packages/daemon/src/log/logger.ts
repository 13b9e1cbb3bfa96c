// The daemon's log. The only file that knows pino, which is loaded after the start: it costs more
// time than opening the database. Until then records wait in memory.

import type { DestinationStream, Logger as PinoLogger, pino } from 'pino'
import { LogFile } from './log-file.js'

/** Bytes of lines that wait for standard output while it cannot be written. */
const WAITING_BYTES_MAX = 65_536

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

interface LogRecord {
  readonly level: LogLevel
  readonly fields: object
  readonly message: string
  readonly time: number
}

export interface LoggerOptions {
  /** Least severe level to log. */
  readonly level: string
  /** File to append to; undefined for standard output. */
  readonly file: string | undefined
  /** Fields of every record. */
  readonly base: object
}

export class Logger {
  readonly #options: LoggerOptions
  #level: string
  #file: LogFile | undefined
  readonly #records: LogRecord[] = []
  #loading: Promise<void> | undefined
  #pino: PinoLogger | undefined
  #status: 'waiting' | 'loaded' = 'waiting'

  constructor(options: LoggerOptions) {
    this.#options = options
    this.#level = options.level
  }

  /** Least severe level to log. */
  get level(): string {
    return this.#level
  }

  set level(level: string) {
    this.#level = level
    if (this.#pino !== undefined) this.#pino.level = level
  }

  debug(message: string, fields: object = {}): void {
    this.#log('debug', message, fields)
  }

  info(message: string, fields: object = {}): void {
    this.#log('info', message, fields)
  }

  warn(message: string, fields: object = {}): void {
    this.#log('warn', message, fields)
  }

  error(message: string, fields: object = {}): void {
    this.#log('error', message, fields)
  }

  fatal(message: string, fields: object = {}): void {
    this.#log('fatal', message, fields)
  }

  /** Writes what has waited; from here on records are written as they come. Never rejects. */
  load(): Promise<void> {
    this.#loading ??= this.#load()
    return this.#loading
  }

  async #load(): Promise<void> {
    const { file } = this.#options
    this.#file = file === undefined ? undefined : new LogFile(file)
    try {
      this.#pino = await createPino(this.#options, this.#file)
      this.#pino.level = this.#level
    } catch (error) {
      // The package may have been removed under us, and pino with it.
      process.stderr.write(`partyd: cannot log: ${(error as Error).message}\n`)
    }
    for (const { level, fields, message, time } of this.#records.splice(0)) {
      this.#pino?.[level]({ time, ...fields }, message)
    }
    this.#status = 'loaded'
  }

  /** Goes on in a new file, if somebody has moved the one in use. */
  reopen(): void {
    this.#file?.reopen()
  }

  /** From here on the file is not moved away any more. */
  leaveInPlace(): void {
    this.#file?.leaveInPlace()
  }

  /** Why the log cannot be written, if so. */
  get failure(): string | undefined {
    return this.#file?.failure
  }

  #log(level: LogLevel, message: string, fields: object): void {
    const time = Date.now()
    if (this.#status === 'waiting') this.#records.push({ level, fields, message, time })
    else this.#pino?.[level]({ time, ...fields }, message)
  }
}

/** Synchronous destinations: a daemon that dies must not lose the line that says why. */
async function createPino(
  { level, base }: LoggerOptions,
  file: LogFile | undefined
): Promise<PinoLogger> {
  const { pino } = await import('pino')
  // Times are ours: a record may have waited.
  const settings = { level, base, timestamp: false }
  if (file !== undefined) return pino(settings, file)
  if (!process.stdout.isTTY) return pino(settings, standardOutput(pino))
  const { prettyStream } = await import('./pretty-log.js')
  return pino(settings, prettyStream())
}

/** Its file may be on a disk that is full. That is no reason to end: lines wait, and then get lost. */
function standardOutput({ destination }: typeof pino): DestinationStream {
  const stream = destination({ dest: 1, sync: true, maxLength: WAITING_BYTES_MAX })
  stream.on('error', () => {})
  return stream
}
