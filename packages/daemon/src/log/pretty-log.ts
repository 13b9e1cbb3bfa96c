// Log records as people read them. The only file that knows pino-pretty.

import { PinoPretty, prettyFactory } from 'pino-pretty'

/** Which daemon it was matters to nobody who looks at one. */
const IGNORE = 'pid,hostname,instanceId'

/** For the daemon's own terminal. */
export function prettyStream(): ReturnType<typeof PinoPretty> {
  return PinoPretty({ sync: true, ignore: IGNORE })
}

/** @returns what makes text of a line of the log; of one that is no record, the line itself. */
export function createPrettyPrinter(colorize: boolean): (line: string) => string {
  return prettyFactory({ colorize, ignore: 'hostname,instanceId', translateTime: 'SYS:HH:MM:ss.l' })
}
