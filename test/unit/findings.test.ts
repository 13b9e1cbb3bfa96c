// What `partyd doctor` finds in states that cannot be brought about here.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { LocationFacts } from '../../packages/daemon/dist/commands/diagnosis/facts.js'
import type { Finding } from '../../packages/daemon/dist/commands/diagnosis/finding.js'
import { findFindings } from '../../packages/daemon/dist/commands/diagnosis/findings.js'
import {
  describeLockOwner,
  describeReason
} from '../../packages/daemon/dist/commands/process/absence.js'
import { splitGlued } from '../../packages/daemon/dist/commands/process/log-reader.js'
import { quotePath } from '../../packages/daemon/dist/commands/quote.js'
import { LogFile } from '../../packages/daemon/dist/log/log-file.js'

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
  hasLostCurrent: false,
  databaseFiles: [],
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
    const silent = { state: 'unresponsive', reason, endpoint: '/s' } as const
    expect(codes({ daemon: { ...silent, pid: 1 } })).toEqual(['unresponsive-daemon'])
    expect(codes({ daemon: { ...silent, pid: undefined } })).toEqual(['unknown-listener'])
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

  it('a directory that its own user cannot write, or another cannot look into', () => {
    const directory = { ...HEALTHY.directory, mode: 0o555, obstacle: 'EACCES' }
    const absent = {
      daemon: { state: 'not-running', reason: '' },
      lockOwner: undefined
    } as const
    const [own] = find({ ...absent, directory })
    expect(own).toMatchObject({ code: 'unusable-directory', next: 'Allow it: chmod u+rwx /data' })
    expect(own?.message).toContain('mode 0555')
    const refusing = { state: 'refusing', reason: 'EACCES' } as const
    const hidden = { ...absent, daemon: refusing, directory, isDatabase: undefined }
    const found = find(hidden, { uid: 1001 })
    expect(found.map(({ code }) => code)).toEqual(['unusable-directory'])
    expect(found[0]?.next).toContain('chown -R 1001 /data')
    expect(found[0]?.message).toContain('of user 1000, and this is user 1001')
    const readOnly = { ...directory, obstacle: 'EROFS' }
    expect(codes({ ...absent, directory: readOnly })).toEqual(['read-only'])
  })

  it('files of the database that are another user’s, also when root asks', () => {
    const file = { path: '/data/CURRENT', kind: 'file', uid: 0, mode: 0o600 } as const
    const databaseFiles = [{ ...file, obstacle: 'EACCES' }]
    const [found] = find({ databaseFiles })
    expect(found?.code).toBe('foreign-files')
    expect(found?.next).toContain('chown -R 1000 /data')
    expect(codes({ databaseFiles: [file] }, { uid: 0 })).toEqual(['foreign-files'])
    const own = { ...file, uid: 1000, mode: 0o000, obstacle: 'EACCES' }
    expect(find({ databaseFiles: [own] })).toMatchObject([
      { code: 'unusable-files', next: 'Allow it: chmod u+rw /data/CURRENT' }
    ])
    expect(codes({ databaseFiles: [{ ...own, obstacle: undefined }] })).toEqual([])
  })

  it('the sticky bit of a directory that others may write to', () => {
    const [found] = find({ directory: { ...HEALTHY.directory, mode: 0o1777 } })
    expect(found?.message).toContain('mode 1777')
  })

  it('paused starts, which can be cleared up when nobody is at work', () => {
    const startFailure = { code: 'PARTYD_CRASHED', message: 'boom', pauseUntil: 0 }
    const daemon = { state: 'not-running', reason: '' } as const
    const [deserted] = find({ daemon, lockOwner: undefined, startFailure })
    expect(deserted?.fixable).toBe(true)
    const found = find({ daemon, startFailure }).find(({ code }) => code === 'failed-starts')
    expect(found?.fixable).toBe(false)
  })

  it('names the location in commands, as a shell takes it', () => {
    const location = "/my data/it's"
    const quoted = "'/my data/it'\\''s'"
    const lastExit = {
      schema: 1,
      code: 22,
      reason: 'x',
      at: 'now',
      pid: 1,
      instanceId: 'a'
    } as const
    const daemon = { state: 'not-running', reason: '' } as const
    const found = find({
      location,
      daemon,
      lockOwner: undefined,
      lastExit,
      hasExpiredHold: true,
      staleSockets: ['.p0123abcd']
    })
    expect(found.map(({ next }) => next)).toEqual([
      `Copy the directory, then: partyd repair ${quoted}`,
      `The next daemon removes them. To have that now: partyd doctor ${quoted} --fix`,
      `Whoever comes next removes it. To have that now: partyd doctor ${quoted} --fix`
    ])
  })
})

describe('what is said', () => {
  it('quotes a path only where a shell needs it', () => {
    expect(quotePath('/srv/a-b_c.d')).toBe('/srv/a-b_c.d')
    expect(quotePath('a b')).toBe("'a b'")
    expect(quotePath('-f')).toBe('./-f')
    expect(quotePath('$(x)')).toBe("'$(x)'")
    expect(quotePath('')).toBe("''")
  })

  it('is words and not a system call', () => {
    expect(describeReason('connect ENOENT /data/partyd.sock')).toBe(
      'no daemon listens at /data/partyd.sock'
    )
    expect(describeReason('it is just ending')).toBe('it is just ending')
  })

  it('is what is known of a daemon that has the lock', () => {
    const owner = { pid: process.pid, command: 'partyd /data', isDaemon: true }
    expect(describeLockOwner(owner)).toContain('a daemon that is starting or ending')
    expect(describeLockOwner(owner, 'that does not answer')).toMatch(
      /a daemon that does not answer$/
    )
  })
})

describe('a log with half a line', () => {
  it('goes on with a line of its own', () => {
    const directory = mkdtempSync(join(tmpdir(), 'partyd-'))
    try {
      const path = join(directory, 'partyd.log')
      writeFileSync(path, 'half a line')
      const log = new LogFile(path)
      log.write('one\n')
      log.write('two\n')
      new LogFile(path).write('three\n')
      expect(readFileSync(path, 'utf8')).toBe('half a line\none\ntwo\nthree\n')
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  it('is split where a record is glued to it', () => {
    const record = '{"level":30,"msg":"a {\\"level\\": b"}'
    expect(splitGlued(`boom${record}`)).toEqual(['boom', record])
    expect(splitGlued(record)).toEqual([record])
    expect(splitGlued(`{"level":${record}`)).toEqual(['{"level":', record])
    const nested = '{"msg":"x","of":{"level":30}}'
    expect(splitGlued(nested)).toEqual([nested])
  })
})
