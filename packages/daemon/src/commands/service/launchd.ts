// launchd's property list, as text: launchd.plist(5).

import { join } from 'node:path'
import { LAUNCHD_FLAG } from '../../service/launchd-exit.js'
import { UsageError } from '../failure.js'
import { type ServiceDefinition, serviceName } from './service-definition.js'

/** Not less than this many seconds between two starts: launchd's own default, said because it matters. */
const THROTTLE_SECONDS = 10
/** How long launchd waits between SIGTERM and SIGKILL: a drain takes up to 10 s. */
const EXIT_SECONDS = 20

type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value }

/** @param logs the directory of its log, which must exist. */
export function launchdPropertyList(definition: ServiceDefinition, logs: string): string {
  const { location, node, entry, user, daemonArguments } = definition
  const label = serviceName(location)
  const log = join(logs, `${label}.log`)
  const job: Value = {
    Label: label,
    ProgramArguments: [node, entry, ...daemonArguments, LAUNCHD_FLAG],
    ...(user !== undefined && { UserName: user }),
    RunAtLoad: true,
    KeepAlive: { SuccessfulExit: false },
    ThrottleInterval: THROTTLE_SECONDS,
    ExitTimeOut: EXIT_SECONDS,
    Umask: 0o077,
    StandardOutPath: log,
    StandardErrorPath: log
  }
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${toXml(job, '')}
</plist>
`
}

function toXml(value: Value, indent: string): string {
  const inner = `${indent}  `
  if (typeof value === 'string') return `${indent}<string>${escapeXml(value)}</string>`
  if (typeof value === 'number') return `${indent}<integer>${value}</integer>`
  if (typeof value === 'boolean') return `${indent}<${value}/>`
  const lines = isList(value)
    ? value.map((item) => toXml(item, inner))
    : Object.entries(value).flatMap(([key, item]) => [
        `${inner}<key>${escapeXml(key)}</key>`,
        toXml(item, inner)
      ])
  const tag = isList(value) ? 'array' : 'dict'
  return [`${indent}<${tag}>`, ...lines, `${indent}</${tag}>`].join('\n')
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** What XML keeps for itself. @throws UsageError for what it cannot say at all. */
function escapeXml(text: string): string {
  if (/[^\P{Cc}\t\n\r]/u.test(text)) {
    throw new UsageError(`a property list cannot name ${JSON.stringify(text)}`, 'Use another path.')
  }
  return text.replace(/[&<>\p{Cc}]/gu, (character) => `&#${character.charCodeAt(0)};`)
}
