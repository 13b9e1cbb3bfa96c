// systemd's units, as text. What may be written how: systemd.syntax(7), systemd.service(5) and
// systemd.unit(5), "Specifiers".

import { currentPlatform, defaultEndpoint } from '@partyd/shared'
import { UsageError } from '../failure.js'
import { type ServiceDefinition, serviceName } from './service-definition.js'

/** Only codes that another start could not change; never those of a lost race, which a service waits out. */
const NEVER_AGAIN = '2 20 21 22 26'

/**
 * What works in units of users and of the machine alike: system call filters, which need no mounts.
 * Not MemoryDenyWriteExecute, which V8's compiler cannot live with, nor ProcSubset=pid, which hides
 * /proc/locks. What is denied fails with EPERM: libuv asks for io_uring, and does without.
 */
const FILTERS = `NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
`

/**
 * Only the machine's manager can give a service its own view of the file system. Not PrivateTmp: the
 * endpoint of a location with a long path lies in /tmp, where clients must find it.
 */
const SANDBOX = `CapabilityBoundingSet=
PrivateDevices=yes
PrivateNetwork=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=full
`

/** What ProtectSystem=full makes read-only. */
const SYSTEM_DIRECTORIES = /^\/(usr|boot|efi|etc)(\/|$)/

export interface SystemdOptions {
  /** Whether the service is started by its socket; that is a unit of its own. */
  readonly socket: boolean
}

/** The service unit of a location. */
export function systemdService(
  definition: ServiceDefinition,
  { socket }: SystemdOptions = { socket: false }
): string {
  const { location, node, entry, scope, user, daemonArguments } = definition
  const command = [
    quoteProgram(node),
    ...[entry, ...daemonArguments].map((argument) => quoteArgument(argument))
  ]
  const isSystem = scope === 'system'
  const target = isSystem ? 'multi-user.target' : 'default.target'
  return `[Unit]
Description=${describe(location)}
${socket ? `Requires=${serviceName(location)}.socket\n` : ''}
[Service]
Type=notify
NotifyAccess=all
ExecStart=${command.join(' ')}
${user === undefined ? '' : `User=${escapeSpecifiers(user)}\n`}Restart=on-failure
RestartPreventExitStatus=${NEVER_AGAIN}
TimeoutStartSec=infinity
TimeoutStopSec=20
KillMode=mixed
UMask=0077
${FILTERS}${isSystem ? SANDBOX : ''}${isSystem ? writePath(location) : ''}
[Install]
${socket ? `Also=${serviceName(location)}.socket` : `WantedBy=${target}`}
`
}

/**
 * The socket unit that starts the service when the first client comes.
 * @throws UsageError when the unit cannot say where clients look.
 */
export function systemdSocket({ location, scope, user }: ServiceDefinition): string {
  const endpoint = defaultEndpoint(location, currentPlatform())
  if (!endpoint.startsWith(`${location}/`)) {
    throw new UsageError(
      `the path ${location} is too long for a socket in it`,
      'Use a shorter path, or the service without --socket.'
    )
  }
  assertPlain(endpoint)
  const owner = scope === 'system' && user !== undefined
  return `[Unit]
Description=${describe(location)} (socket)

[Socket]
ListenStream=${escapeSpecifiers(endpoint)}
Accept=no
SocketMode=0600
DirectoryMode=0700
${owner ? `SocketUser=${escapeSpecifiers(user)}\n` : ''}RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`
}

function describe(location: string): string {
  // A line ends at a line break, and goes on behind a backslash at its end.
  return escapeSpecifiers(`partyd ${location.replace(/[\p{Cc}\\]/gu, '?')}`)
}

function writePath(location: string): string {
  return SYSTEM_DIRECTORIES.test(location)
    ? `ReadWritePaths=${quote(escapeSpecifiers(`-${location}`))}\n`
    : ''
}

/** The rest of a line is the path, in which nothing is quoted. */
function assertPlain(path: string): void {
  if (!/\p{Cc}/u.test(path)) return
  throw new UsageError(`a socket unit cannot name ${JSON.stringify(path)}`, 'Use another path.')
}

/** `%` introduces what systemd fills in. */
function escapeSpecifiers(text: string): string {
  return text.replaceAll('%', '%%')
}

/** Variables are filled in after the specifiers, but not in the program's own path. */
export function quoteArgument(argument: string): string {
  return quote(escapeSpecifiers(argument).replaceAll('$', '$$$$'))
}

/** Quoted, so that no character in front of it says how it is to be run. */
export function quoteProgram(path: string): string {
  return quote(escapeSpecifiers(path))
}

function quote(text: string): string {
  if (/^[\w./:=@,%+-]+$/.test(text)) return text
  const escaped = text.replace(/["\\\p{Cc}]/gu, (character) => {
    const code = character.charCodeAt(0)
    return code < 0x20 || code >= 0x7f
      ? `\\u${code.toString(16).padStart(4, '0')}`
      : `\\${character}`
  })
  return `"${escaped}"`
}
