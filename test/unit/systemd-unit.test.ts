// The units that are printed, read by systemd itself: its verifier, its own dump of what it has
// understood, and its list of system calls, under which the daemon then runs.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { ServiceDefinition } from '../../packages/daemon/dist/commands/service/service-definition.js'
import {
  assertLasting,
  serviceName
} from '../../packages/daemon/dist/commands/service/service-definition.js'
import {
  systemdService,
  systemdSocket
} from '../../packages/daemon/dist/commands/service/systemd.js'
import { DAEMON_ENTRY } from '../harness/daemon-command.js'
import { hasProgram } from '../harness/has-program.js'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) {
    rmSync(directory, { recursive: true, force: true })
  }
})

function makeDirectory(): string {
  const directory = realpathSync.native(mkdtempSync(join(tmpdir(), 'partyd-unit-')))
  directories.push(directory)
  return directory
}

function define(options: Partial<ServiceDefinition> = {}): ServiceDefinition {
  const { location = '/srv/data' } = options
  return {
    location,
    node: process.execPath,
    entry: DAEMON_ENTRY,
    scope: 'user',
    user: undefined,
    daemonArguments: ['serve', location, '--service'],
    ...options
  }
}

/** Every value that a key is given. */
function valuesOf(unit: string, key: string): string[] {
  const lines = unit.split('\n').filter((line) => line.startsWith(`${key}=`))
  return lines.map((line) => line.slice(key.length + 1))
}

const ODD_PATHS = [
  '/srv/with space/and  two',
  '/srv/50% %n %%h',
  `/srv/$HOME/$${'{HOME}'}/$$`,
  '/srv/back\\slash\\n and "quotes" and it\'s',
  '/srv/ünï/日本',
  '/srv/;/#no comment',
  '/srv/tab\tand line\nbreak',
  '/srv/end\\'
]

describe('a unit', () => {
  it('says what the life cycle asks for', () => {
    const unit = systemdService(define())
    expect(valuesOf(unit, 'Type')).toEqual(['notify'])
    expect(valuesOf(unit, 'NotifyAccess')).toEqual(['all'])
    expect(valuesOf(unit, 'ExecStart')).toEqual([
      `${process.execPath} ${DAEMON_ENTRY} serve /srv/data --service`
    ])
    expect(valuesOf(unit, 'Restart')).toEqual(['on-failure'])
    expect(valuesOf(unit, 'RestartPreventExitStatus')).toEqual(['2 20 21 22 26'])
    expect(valuesOf(unit, 'TimeoutStartSec')).toEqual(['infinity'])
    expect(valuesOf(unit, 'TimeoutStopSec')).toEqual(['20'])
    expect(valuesOf(unit, 'KillMode')).toEqual(['mixed'])
    expect(valuesOf(unit, 'UMask')).toEqual(['0077'])
    expect(valuesOf(unit, 'WantedBy')).toEqual(['default.target'])
    expect(valuesOf(unit, 'User')).toEqual([])
  })

  it('of the machine runs as a user and sees less', () => {
    const unit = systemdService(define({ scope: 'system', user: 'alice' }))
    expect(valuesOf(unit, 'User')).toEqual(['alice'])
    expect(valuesOf(unit, 'WantedBy')).toEqual(['multi-user.target'])
    expect(valuesOf(unit, 'ProtectSystem')).toEqual(['full'])
    expect(valuesOf(unit, 'ReadWritePaths')).toEqual([])
    const inside = define({ location: '/usr/local/my data', scope: 'system', user: 'alice' })
    expect(valuesOf(systemdService(inside), 'ReadWritePaths')).toEqual(['"-/usr/local/my data"'])
  })

  it('keeps what the daemon needs: its compiler, /proc/locks, and an endpoint in /tmp', () => {
    const unit = systemdService(define({ scope: 'system', user: 'alice' }))
    expect(unit).not.toMatch(
      /MemoryDenyWriteExecute|ProcSubset|ProtectProc|PrivateTmp|PrivateUsers/
    )
  })

  it('of a socket names the one that clients dial, and leaves nothing when it is stopped', () => {
    const definition = define({ location: '/srv/100% my data', scope: 'system', user: 'alice' })
    const socket = systemdSocket(definition)
    expect(valuesOf(socket, 'ListenStream')).toEqual(['/srv/100%% my data/partyd.sock'])
    expect(valuesOf(socket, 'Accept')).toEqual(['no'])
    expect(valuesOf(socket, 'RemoveOnStop')).toEqual(['yes'])
    expect(valuesOf(socket, 'SocketMode')).toEqual(['0600'])
    expect(valuesOf(socket, 'SocketUser')).toEqual(['alice'])
    const service = systemdService(definition, { socket: true })
    expect(valuesOf(service, 'Requires')).toEqual([`${serviceName(definition.location)}.socket`])
    expect(valuesOf(service, 'WantedBy')).toEqual([])
  })

  it('of a socket is refused where the socket is not in the location, or has no name for a unit', () => {
    const long = define({ location: `/srv/${'x'.repeat(100)}` })
    expect(() => systemdSocket(long)).toThrow('too long for a socket')
    expect(() => systemdSocket(define({ location: '/srv/a\nb' }))).toThrow('cannot name')
  })
})

describe('the name of a service', () => {
  it.each([...ODD_PATHS, `/srv/${'x'.repeat(300)}`, '/'])(
    'for %j is one for a unit',
    (location) => {
      expect(serviceName(location)).toMatch(/^partyd-[A-Za-z0-9_.-]{0,40}-[0-9a-f]{8}$/)
    }
  )

  it('tells locations of the same name apart', () => {
    expect(serviceName('/a/data')).not.toBe(serviceName('/b/data'))
    expect(serviceName('/a/data')).toMatch(/^partyd-data-/)
  })
})

describe('a program in a cache', () => {
  it.each([
    '/home/a/.npm/_npx/0123abcd/node_modules/partyd/bin/partyd.cjs',
    'C:\\Users\\a\\AppData\\npm-cache\\_npx\\0123\\node_modules\\partyd\\bin\\partyd.cjs',
    '/home/a/.cache/pnpm/dlx/abc/node_modules/partyd/bin/partyd.cjs',
    '/tmp/xfs-1/dlx-123/node_modules/partyd/bin/partyd.cjs'
  ])('is refused: %s', (entry) => {
    expect(() => assertLasting(entry)).toThrow('a cache that is emptied sooner or later')
    expect(() => assertLasting(entry)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('npm install -g partyd') })
    )
  })

  it.each([
    '/usr/lib/node_modules/partyd/bin/partyd.cjs',
    '/home/a/my_npx/node_modules/partyd/bin/partyd.cjs',
    DAEMON_ENTRY
  ])('is not what others are: %s', (entry) => {
    expect(() => assertLasting(entry)).not.toThrow()
  })
})

describe.skipIf(!hasProgram('systemd-analyze'))('systemd-analyze verify', () => {
  it.each([
    ['user', undefined],
    ['system', 'root']
  ] as const)('has nothing to say about the units of a %s', (scope, user) => {
    const directory = makeDirectory()
    const paths = ['/srv/data', ...ODD_PATHS].flatMap((location) => {
      const definition = define({ location, scope, user })
      const isPlain = !/\n/.test(location)
      const path = join(directory, `${serviceName(location)}.service`)
      writeFileSync(path, systemdService(definition, { socket: isPlain }))
      if (!isPlain) return [path]
      const socketPath = join(directory, `${serviceName(location)}.socket`)
      writeFileSync(socketPath, systemdSocket(definition))
      return [path, socketPath]
    })
    const { status, stdout, stderr } = spawnSync(
      'systemd-analyze',
      ['verify', '--man=no', ...(scope === 'user' ? ['--user'] : []), ...paths],
      { encoding: 'utf8', env: { ...process.env, XDG_RUNTIME_DIR: directory } }
    )
    expect({ status, output: stdout + stderr }).toEqual({ status: 0, output: '' })
  })

  it('would say what is wrong', () => {
    const path = join(makeDirectory(), 'wrong.service')
    writeFileSync(path, systemdService(define({ node: '/no/such/node' })))
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], {
      encoding: 'utf8'
    })
    expect(status).not.toBe(0)
    expect(stderr).toContain('/no/such/node is not executable')
  })
})

const SYSTEMD = '/lib/systemd/systemd'

describe.skipIf(!hasProgram(SYSTEMD))('systemd', () => {
  it('reads the command line that was meant', () => {
    const definitions = ODD_PATHS.map((location) =>
      define({ location, entry: `${location}/partyd.cjs` })
    )
    const read = readCommandLines(definitions.map((definition) => systemdService(definition)))
    for (const [index, { entry, daemonArguments }] of definitions.entries()) {
      expect(read[index]).toEqual([process.execPath, entry, ...daemonArguments])
    }
  })
})

/** What systemd, told to load units and to dump them, has understood their commands to be. */
function readCommandLines(units: readonly string[]): string[][] {
  const directory = makeDirectory()
  for (const name of ['run', 'run/systemd', 'home']) mkdirSync(join(directory, name))
  const names = units.map((_, index) => `read-${index}.service`)
  for (const [index, unit] of units.entries()) {
    writeFileSync(join(directory, names[index] as string), unit)
  }
  writeFileSync(join(directory, 'read.target'), `[Unit]\nWants=${names.join(' ')}\n`)
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync('chown', ['-R', '65534', directory])
  const { stdout, stderr } = spawnSync(
    SYSTEMD,
    ['--test', '--user', '--unit=read.target', '--log-target=console'],
    {
      encoding: 'utf8',
      maxBuffer: 1e8,
      // It does not do that for root.
      ...(isRoot && { uid: 65_534, gid: 65_534 }),
      env: {
        PATH: process.env['PATH'],
        HOME: join(directory, 'home'),
        XDG_RUNTIME_DIR: join(directory, 'run'),
        SYSTEMD_UNIT_PATH: `${directory}:`
      }
    }
  )
  return names.map((name) => {
    const dump = stdout.slice(stdout.indexOf(`-> Unit ${name}:`))
    const line = /Command Line: (.*)$/m.exec(dump)?.[1]
    if (line === undefined) throw new Error(`systemd has not dumped ${name}: ${stderr}`)
    return parseCommandLine(line)
  })
}

function parseCommandLine(line: string): string[] {
  const words = [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain = '']) => quoted?.replace(/\\(.)/g, (_, escaped) => decode(escaped)) ?? plain
  )
  // Variables are filled in only when it is run, but not in the program's path.
  const [program = '', ...rest] = words
  return [program, ...rest.map((word) => word.replaceAll('$$', '$'))]
}

function decode(character: string): string {
  return { n: '\n', t: '\t' }[character] ?? character
}
