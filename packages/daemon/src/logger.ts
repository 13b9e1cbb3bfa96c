// The daemon's log. The only file that knows pino, which is loaded after the start: it costs more
// time than opening the database. Until then records wait in memory.

import type { Logger as PinoLogger } from 'pino'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

interface LogRecord {
  readonly level: LogLevel
  readonly fields: object
  readonly message: string
  readonly time: number
}

export interface LoggerOptions {
  readonly level: string
  /** File to append to; undefined for standard output. */
  readonly file: string | undefined
  /** Fields of every record. */
  readonly base: object
}

export class Logger {
  readonly #options: LoggerOptions
  #records: LogRecord[] = []
  #pino: PinoLogger | undefined

  constructor(options: LoggerOptions) {
    this.#options = options
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

  /** Writes what has waited; from here on records are written as they come. */
  async load(): Promise<void> {
    if (this.#pino !== undefined) return
    this.#pino = await createPino(this.#options)
    const records = this.#records
    this.#records = []
    for (const { level, fields, message, time } of records) {
      this.#pino[level]({ time, ...fields }, message)
    }
  }

  #log(level: LogLevel, message: string, fields: object): void {
    const time = Date.now()
    if (this.#pino !== undefined) this.#pino[level]({ time, ...fields }, message)
    else this.#records.push({ level, fields, message, time })
  }
}

/** Synchronous destinations: a daemon that dies must not lose the line that says why. */
async function createPino({ level, file, base }: LoggerOptions): Promise<PinoLogger> {
  const { pino } = await import('pino')
  // Times are ours: a record may have waited.
  const settings = { level, base, timestamp: false }
  if (file !== undefined) {
    return pino(settings, pino.destination({ dest: file, append: true, sync: true }))
  }
  if (!process.stdout.isTTY) return pino(settings, pino.destination({ dest: 1, sync: true }))
  const { PinoPretty } = await import('pino-pretty')
  return pino(settings, PinoPretty({ sync: true, ignore: 'pid,hostname,instanceId' }))
}
