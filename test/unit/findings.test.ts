// What `partyd doctor` finds in states that cannot be brought about here.

import { describe, expect, it } from 'vitest'
import type { LocationFacts } from '../../packages/daemon/dist/diagnosis/facts.js'
import { type Finding, findFindings } from '../../packages/daemon/dist/diagnosis/findings.js'

const SELF = { version: '1.0.0', uid: 1000 }

const STATUS = {
  pid: 7,
  version: '1.0.0',
  mode: 'auto',
  location: '/data',
  instanceId: 'a',
  endpoint: '/data/partyd.sock',
  clients: 0,
  uptimeMs: 1,
  memory: { rss: 1 },
  options: {},
  counters: {}
}

/** A daemon serves, and all is well. */
const HEALTHY: LocationFacts = {
  location: '/data',
  directory: { path: '/data', kind: 'directory', uid: 1000, mode: 0o700 },
  isDatabase: true,
  freeBytes: 1e12,
  fileSystem: { type: 'ext4', isNetwork: false },
  hasLock: true,
  lockOwner: { pid: 7, command: 'partyd /data', isDaemon: true },
  isLockOwnerSuspended: false,
  rendezvous: undefined,
  endpoint: { path: '/data/partyd.sock', kind: 'socket', uid: 1000, mode: 0o600 },
  endpointPathBytes: 17,
  endpointDirectory: undefined,
  daemon: { state: 'running', status: STATUS },
  service: undefined,
  lastExit: undefined,
  hold: undefined,
  hasExpiredHold: false,
  startFailure: undefined,
  staleSockets: []
}

/** The findings beside the one that there is no `partyd.json`, which these facts lack. */
function find(changes: Partial<LocationFacts>, self: Partial<typeof SELF> = {}): Finding[] {
  const facts = { ...HEALTHY, ...changes }
  return findFindings(facts, { ...SELF, ...self }).filter(({ code }) => code !== 'other-instance')
}

function codes(changes: Partial<LocationFacts>, self: Partial<typeof SELF> = {}): string[] {
  return find(changes, self).map(({ code }) => code)
}

describe('a doctor finds', () => {
  it('nothing where all is well', () => {
    expect(codes({})).toEqual([])
  })

  it('a daemon that ends with somebody else’s service, but no service of its own', () => {
    expect(codes({ service: 'web.service' })).toEqual(['in-service'])
    const status = { ...STATUS, mode: 'service' }
    expect(codes({ service: 'partyd.service', daemon: { state: 'running', status } })).toEqual([])
  })

  it('a daemon of another version', () => {
    expect(codes({}, { version: '1.1.0' })).toEqual(['other-version'])
  })

  it('a disk that is nearly full, unless nobody can tell', () => {
    expect(codes({ freeBytes: 1_000_000 })).toEqual(['disk-full'])
    expect(codes({ freeBytes: undefined })).toEqual([])
  })

  it('a network file system', () => {
    const fileSystem = { type: 'nfs', isNetwork: true }
    expect(codes({ fileSystem })).toEqual(['network-file-system'])
  })

  it('a log that cannot be written', () => {
    const status = { ...STATUS, logFailure: 'EACCES' }
    expect(codes({ daemon: { state: 'running', status } })).toEqual(['log-failure'])
  })

  it('a directory of another user, unless root asks', () => {
    expect(codes({}, { uid: 1001 })).toEqual(['other-owner'])
    expect(codes({}, { uid: 0 })).toEqual([])
  })

  it('a daemon that is silent, or cannot be reached, or refuses', () => {
    const reason = 'it is so'
    expect(codes({ daemon: { state: 'unresponsive', reason } })).toEqual(['unresponsive-daemon'])
    expect(codes({ daemon: { state: 'not-running', reason } })).toEqual(['unreachable-daemon'])
    expect(codes({ daemon: { state: 'refusing', reason } })).toEqual(['refusing-daemon'])
  })

  it('a holder that the kernel does not name', () => {
    const lockOwner = { pid: undefined, command: undefined, isDaemon: false }
    const daemon = { state: 'not-running', reason: '' } as const
    expect(codes({ lockOwner, daemon })).toEqual(['foreign-lock'])
    // In a pid namespace a daemon that serves is not named either.
    expect(codes({ lockOwner })).toEqual([])
  })

  it('that LOCK has been removed', () => {
    expect(codes({ hasLock: false, lockOwner: undefined })).toEqual(['lock-gone'])
  })

  it('when clients may start daemons again', () => {
    const daemon = { state: 'not-running', reason: '' } as const
    const absent = { daemon, lockOwner: undefined }
    const startFailure = { code: 'PARTYD_CRASHED', message: 'boom', pauseUntil: 0 }
    const [over] = find({ ...absent, startFailure })
    const pauseUntil = Date.now() + 5_000
    const [paused] = find({ ...absent, startFailure: { ...startFailure, pauseUntil } })
    expect(over?.message).toBe('Clients could not start a daemon. PARTYD_CRASHED: boom')
    expect(paused?.message).toContain(new Date(pauseUntil).toISOString())
  })
})
