// Where a token is needed, by platform and by the rights of directories, and which endpoints of other
// names are believed.

import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  defaultEndpoint,
  directoryId,
  isEndpointOfOtherName,
  isEndpointPrivate,
  locationFiles,
  type Platform,
  readToken,
  removeToken,
  shortEndpoint,
  writeToken
} from '@partyd/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const uid = process.getuid?.() ?? -1
const isRoot = uid === 0
/** Neither the superuser nor who runs the tests. */
const OTHER = 4_321

const LINUX: Platform = { name: 'linux', uid, runtimeDirectory: undefined }
const DARWIN: Platform = { ...LINUX, name: 'darwin' }
const WINDOWS: Platform = { name: 'win32', uid: -1, runtimeDirectory: undefined }

let scratch = ''
beforeEach(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'partyd-test-')))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

function directory(name: string, mode = 0o700): string {
  const path = join(scratch, name)
  mkdirSync(path)
  chmodSync(path, mode)
  return path
}

describe('an endpoint in the location', () => {
  it.each([0o700, 0o750, 0o755])('is private in a directory of mode %o', (mode) => {
    const location = directory('data', mode)
    for (const platform of [LINUX, DARWIN]) {
      const endpoint = defaultEndpoint(location, platform)
      expect(isEndpointPrivate(endpoint, location, platform)).toBe(true)
    }
  })

  it.each([0o770, 0o775, 0o707, 0o1777])('is not in one of mode %o', (mode) => {
    const location = directory('data', mode)
    for (const platform of [LINUX, DARWIN]) {
      const endpoint = defaultEndpoint(location, platform)
      expect(isEndpointPrivate(endpoint, location, platform)).toBe(false)
    }
  })

  it.runIf(isRoot)('is private in the superuser’s directory, and not in another user’s', () => {
    const location = directory('data')
    const endpoint = join(location, 'partyd.sock')
    const platform = { ...LINUX, uid: OTHER }
    expect(isEndpointPrivate(endpoint, location, platform)).toBe(true)
    chownSync(location, OTHER + 1, OTHER + 1)
    expect(isEndpointPrivate(endpoint, location, platform)).toBe(false)
    chownSync(location, OTHER, OTHER)
    expect(isEndpointPrivate(endpoint, location, platform)).toBe(true)
  })

  it.runIf(isRoot)('is private for the superuser, who works for the location’s owner', () => {
    const location = directory('data')
    chownSync(location, OTHER, OTHER)
    const endpoint = join(location, 'partyd.sock')
    expect(isEndpointPrivate(endpoint, location, LINUX)).toBe(true)
    chmodSync(location, 0o775)
    expect(isEndpointPrivate(endpoint, location, LINUX)).toBe(false)
  })
})

it('a pipe is never private', () => {
  const pipe = defaultEndpoint('C:\\data', WINDOWS)
  expect(isEndpointPrivate(pipe, 'C:\\data', WINDOWS)).toBe(false)
})

describe('an endpoint elsewhere', () => {
  it('is as private as the directory that it is in, whatever the location is', () => {
    const location = directory('data', 0o777)
    const run = directory('run')
    expect(isEndpointPrivate(join(run, 'x.sock'), location, LINUX)).toBe(true)
    chmodSync(run, 0o770)
    expect(isEndpointPrivate(join(run, 'x.sock'), location, LINUX)).toBe(false)
  })

  it('is not behind a link, which may be anybody’s', () => {
    const location = directory('data')
    symlinkSync(directory('run'), join(scratch, 'link'))
    expect(isEndpointPrivate(join(scratch, 'link', 'x.sock'), location, LINUX)).toBe(false)
  })

  it.runIf(isRoot)('is not private for the superuser in the directory of just anybody', () => {
    const location = directory('data')
    const run = directory('run')
    chownSync(run, OTHER, OTHER)
    expect(isEndpointPrivate(join(run, 'x.sock'), location, LINUX)).toBe(false)
    // But in that of the user whose data it is.
    chownSync(location, OTHER, OTHER)
    expect(isEndpointPrivate(join(run, 'x.sock'), location, LINUX)).toBe(true)
  })

  it('counts as private while its directory is not there', () => {
    expect(isEndpointPrivate(join(scratch, 'none', 'x.sock'), scratch, LINUX)).toBe(true)
  })
})

describe('the token', () => {
  const refused = (reason: string): object =>
    expect.objectContaining({
      code: 'PARTYD_PERMISSION',
      path: locationFiles(scratch).token,
      message: expect.stringContaining(reason)
    })

  it('is read as it was written, and is another one each time', () => {
    const first = writeToken(scratch)
    expect(first).toHaveLength(32)
    expect(readToken(scratch, LINUX)).toEqual(first)
    const second = writeToken(scratch)
    expect(second).not.toEqual(first)
    expect(readToken(scratch, LINUX)).toEqual(second)
    expect(readToken(scratch, WINDOWS)).toEqual(second)
    removeToken(scratch)
    removeToken(scratch)
    expect(() => readToken(scratch, LINUX)).toThrow(refused('does not exist'))
  })

  it('goes into a file of its own, whatever lies there', () => {
    const { token } = locationFiles(scratch)
    const target = join(scratch, 'target')
    writeFileSync(target, 'mine')
    symlinkSync(target, token)
    symlinkSync(target, `${token}.tmp`)
    const written = writeToken(scratch)
    expect(readToken(scratch, LINUX)).toEqual(written)
  })

  it.each([
    ['is open to other users', (path: string) => chmodSync(path, 0o640)],
    ['holds no token', (path: string) => writeFileSync(path, 'x'.repeat(64))],
    ['holds no token', (path: string) => writeFileSync(path, '')],
    [
      'cannot be read',
      (path: string) => {
        rmSync(path)
        symlinkSync(join(scratch, 'other'), path)
      }
    ],
    [
      'is not a file',
      (path: string) => {
        rmSync(path)
        mkdirSync(path, { mode: 0o700 })
      }
    ]
  ])('is refused when it %s', (reason, change) => {
    const token = writeToken(scratch)
    writeFileSync(join(scratch, 'other'), token.toString('hex'), { mode: 0o600 })
    change(locationFiles(scratch).token)
    expect(() => readToken(scratch, LINUX)).toThrow(refused(reason))
  })

  it.runIf(isRoot)('is refused when another user could have written it', () => {
    writeToken(scratch)
    lchownSync(locationFiles(scratch).token, OTHER, OTHER)
    expect(() => readToken(scratch, LINUX)).toThrow(refused(`belongs to user ${OTHER}`))
  })
})

describe('the endpoint of a location’s other name', () => {
  it('is that in the same directory, whatever it is called', () => {
    const location = directory('data')
    symlinkSync(location, join(scratch, 'mount'))
    const endpoint = join(scratch, 'mount', 'partyd.sock')
    expect(isEndpointOfOtherName({ endpoint }, location, LINUX)).toBe(true)
    expect(isEndpointOfOtherName({ endpoint }, directory('copy'), LINUX)).toBe(false)
  })

  it('is a hashed one in a private directory, if it was written in this directory', () => {
    const location = directory('data')
    const endpoint = join(directory('run'), '0123456789abcdef.sock')
    const hint = { endpoint, directory: directoryId(location) }
    expect(isEndpointOfOtherName(hint, location, LINUX)).toBe(true)
    expect(isEndpointOfOtherName(hint, location, DARWIN)).toBe(true)
    // A copy of the directory has a copy of partyd.json, and must not reach the original’s daemon.
    expect(isEndpointOfOtherName(hint, directory('copy'), LINUX)).toBe(false)
    expect(isEndpointOfOtherName({ endpoint }, location, LINUX)).toBe(false)
  })

  it('is none that others could have written, or could listen at', () => {
    const location = directory('data')
    const run = directory('run')
    const endpoint = join(run, '0123456789abcdef.sock')
    const hint = { endpoint, directory: directoryId(location) }
    chmodSync(run, 0o770)
    expect(isEndpointOfOtherName(hint, location, LINUX)).toBe(false)
    chmodSync(run, 0o700)
    chmodSync(location, 0o770)
    expect(isEndpointOfOtherName(hint, location, LINUX)).toBe(false)
  })

  it.each(['/run/docker.sock', 'partyd.sock', '0123456789abcdef.sock', '/run/0123.sock', ''])(
    'is not %j',
    (endpoint) => {
      const hint = { endpoint, directory: directoryId(scratch) }
      expect(isEndpointOfOtherName(hint, scratch, LINUX)).toBe(false)
    }
  )

  it('is none that a socket cannot have, and none on Windows', () => {
    const location = directory('data')
    const run = directory('r'.repeat(100))
    const endpoint = join(run, '0123456789abcdef.sock')
    const hint = { endpoint, directory: directoryId(location) }
    expect(isEndpointOfOtherName(hint, location, LINUX)).toBe(false)
    const short = { ...hint, endpoint: shortEndpoint('/data', LINUX) }
    expect(isEndpointOfOtherName(short, location, WINDOWS)).toBe(false)
  })
})
