// The property list that is printed for launchd, read by Python's plistlib, and what a daemon under
// launchd ends with.

import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { launchdPropertyList } from '../../packages/daemon/dist/commands/service/launchd.js'
import {
  type ServiceDefinition,
  serviceName
} from '../../packages/daemon/dist/commands/service/service-definition.js'
import { hasProgram } from '../harness/has-program.js'

function define(options: Partial<ServiceDefinition> = {}): ServiceDefinition {
  const { location = '/Users/a/data' } = options
  return {
    location,
    node: '/opt/homebrew/bin/node',
    entry: '/opt/homebrew/lib/node_modules/partyd/bin/partyd.cjs',
    scope: 'user',
    user: undefined,
    daemonArguments: ['serve', location, '--service'],
    ...options
  }
}

/** Any XML that launchd's grammar does not know makes the parser fail. */
const READ = `
import json, plistlib, sys
lists = json.load(sys.stdin)
print(json.dumps([plistlib.loads(list.encode(), fmt=plistlib.FMT_XML) for list in lists]))
`

function read(...lists: string[]): object[] {
  const input = JSON.stringify(lists)
  return JSON.parse(execFileSync('python3', ['-c', READ], { input, encoding: 'utf8' }))
}

const ODD_PATHS = [
  '/srv/a & b <c> "d" \'e\'',
  '/srv/]]> &amp; &#10;',
  '/srv/ünï/日本/🎉',
  '/srv/ leading and trailing ',
  '/srv/tab\tand\nline\rbreaks'
]

describe.skipIf(!hasProgram('python3'))('a property list', () => {
  it('says what the life cycle asks for', () => {
    const definition = define()
    const label = serviceName(definition.location)
    const [list] = read(launchdPropertyList(definition, '/Users/a/Library/Logs'))
    expect(list).toEqual({
      Label: label,
      ProgramArguments: [
        definition.node,
        definition.entry,
        'serve',
        '/Users/a/data',
        '--service',
        '--launchd'
      ],
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 10,
      ExitTimeOut: 20,
      Umask: 0o077,
      StandardOutPath: `/Users/a/Library/Logs/${label}.log`,
      StandardErrorPath: `/Users/a/Library/Logs/${label}.log`
    })
  })

  it('of the machine names the user it runs as', () => {
    const list = launchdPropertyList(define({ scope: 'system', user: 'alice' }), '/Library/Logs')
    expect(read(list)).toMatchObject([{ UserName: 'alice' }])
  })

  it('keeps every path as it is', () => {
    const lists = ODD_PATHS.map((location) => launchdPropertyList(define({ location }), '/logs'))
    for (const [index, list] of read(...lists).entries()) {
      expect(list).toMatchObject({
        ProgramArguments: expect.arrayContaining([ODD_PATHS[index]])
      })
    }
  })

  it('is not made of a path that XML cannot name', () => {
    const definition = define({ location: '/srv/a\u0001b' })
    expect(() => launchdPropertyList(definition, '/logs')).toThrow('a property list cannot name')
  })
})
