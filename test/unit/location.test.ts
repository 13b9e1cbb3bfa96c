import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  assertPrivateDirectory,
  defaultEndpoint,
  isPlausibleEndpoint,
  LIMITS,
  locationFiles,
  type Platform,
  resolveLocation,
  shortEndpoint
} from '@partyd/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const uid = process.getuid?.() ?? -1
const LINUX: Platform = { name: 'linux', uid, runtimeDirectory: '/run/user/1000' }
const DARWIN: Platform = { name: 'darwin', uid, runtimeDirectory: undefined }
const WINDOWS: Platform = { name: 'win32', uid: -1, runtimeDirectory: undefined }

/** A location whose path has this many bytes. */
function locationOf(bytes: number, end = ''): string {
  const path = `/data/${'d'.repeat(bytes)}`
  return path.slice(0, bytes - Buffer.byteLength(end)) + end
}

let scratch = ''
beforeEach(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'partyd-test-')))
})
afterEach(() => rmSync(scratch, { recursive: true, force: true }))

describe('the endpoint', () => {
  // The name in the location adds 12 bytes: `/partyd.sock`.
  it.each([1, 77, 88])('is in a location of %d bytes', (bytes) => {
    const location = locationOf(bytes)
    for (const platform of [LINUX, DARWIN]) {
      expect(defaultEndpoint(location, platform)).toBe(join(location, 'partyd.sock'))
    }
  })

  it.each([89, 90, 100, 101, 140, 300])('is short for a location of %d bytes', (bytes) => {
    const location = locationOf(bytes)
    expect(Buffer.byteLength(location)).toBe(bytes)
    for (const platform of [LINUX, DARWIN]) {
      const endpoint = defaultEndpoint(location, platform)
      expect(endpoint).toBe(shortEndpoint(location, platform))
      expect(Buffer.byteLength(endpoint)).toBeLessThanOrEqual(LIMITS.endpointPathBytesMax)
    }
    expect(defaultEndpoint(location, LINUX)).toMatch(
      /^\/run\/user\/1000\/partyd\/[0-9a-f]{16}\.sock$/
    )
    expect(defaultEndpoint(location, DARWIN)).toMatch(
      new RegExp(`^/tmp/partyd-${uid}/[0-9a-f]{16}\\.sock$`)
    )
  })

  it('counts bytes, not characters', () => {
    const location = `/data/${'ü'.repeat(42)}`
    expect(location.length).toBeLessThan(88)
    expect(defaultEndpoint(location, LINUX)).toBe(shortEndpoint(location, LINUX))
    const shorter = '/data/ünïcödé 100% 😀'
    expect(defaultEndpoint(shorter, LINUX)).toBe(`${shorter}/partyd.sock`)
  })

  it.each([LINUX, DARWIN, WINDOWS])(
    'is never shared by long locations with a common beginning ($name)',
    (platform) => {
      const locations = Array.from({ length: 500 }, (_, index) => locationOf(140, String(index)))
      const endpoints = new Set(locations.map((location) => defaultEndpoint(location, platform)))
      expect(endpoints.size).toBe(locations.length)
    }
  )

  it('leaves room for the longer name that is bound before it is published', () => {
    const privateName = '/0123456789abcdef.p01234567'
    for (let length = 1; length <= LIMITS.endpointPathBytesMax; length++) {
      const runtimeDirectory = `/${'r'.repeat(length - 1)}`
      const endpoint = shortEndpoint('/data', { ...LINUX, runtimeDirectory })
      const directory = endpoint.slice(0, endpoint.lastIndexOf('/'))
      expect(directory.length + privateName.length).toBeLessThanOrEqual(LIMITS.endpointPathBytesMax)
    }
  })

  it('is not in $TMPDIR on macOS, which is another one in a sandbox', () => {
    const { TMPDIR } = process.env
    process.env['TMPDIR'] = '/var/folders/zz/T'
    try {
      expect(defaultEndpoint(locationOf(140), DARWIN)).toMatch(
        /^\/tmp\/partyd-\d+\/[0-9a-f]+\.sock$/
      )
    } finally {
      if (TMPDIR === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = TMPDIR
    }
  })

  it('is a pipe on Windows, whatever the length of the path', () => {
    for (const bytes of [1, 88, 300, 5_000]) {
      const endpoint = defaultEndpoint(`C:\\${'d'.repeat(bytes)}`, WINDOWS)
      expect(endpoint).toMatch(/^\\\\\.\\pipe\\partyd-[0-9a-f]{32}$/)
    }
    expect(defaultEndpoint('\\\\server\\Share', WINDOWS)).toBe(
      defaultEndpoint('\\\\SERVER\\share', WINDOWS)
    )
  })

  it('is a pipe on Windows, the same for every spelling of case', () => {
    const endpoint = defaultEndpoint('C:\\Data\\db', WINDOWS)
    expect(endpoint).toMatch(/^\\\\\.\\pipe\\partyd-[0-9a-f]{32}$/)
    expect(defaultEndpoint('c:\\data\\DB', WINDOWS)).toBe(endpoint)
    expect(defaultEndpoint('c:\\data\\DB2', WINDOWS)).not.toBe(endpoint)
  })

  it('does not depend on the runtime directory while it is in the location', () => {
    const other = { ...LINUX, runtimeDirectory: undefined }
    expect(defaultEndpoint('/data', LINUX)).toBe(defaultEndpoint('/data', other))
  })
})

describe('an endpoint read from a file', () => {
  const long = locationOf(140)

  it('is plausible where a daemon with any environment would put it', () => {
    expect(isPlausibleEndpoint('/data/partyd.sock', '/data', LINUX)).toBe(true)
    expect(isPlausibleEndpoint(shortEndpoint('/data', DARWIN), '/data', LINUX)).toBe(true)
    expect(isPlausibleEndpoint(shortEndpoint(long, DARWIN), long, LINUX)).toBe(true)
    const pipe = defaultEndpoint('C:\\data', WINDOWS)
    expect(isPlausibleEndpoint(pipe, 'C:\\data', WINDOWS)).toBe(true)
  })

  it.each([
    '/data2/partyd.sock',
    'data/partyd.sock',
    '/var/run/docker.sock',
    '',
    shortEndpoint('/data2', LINUX),
    shortEndpoint('/data', LINUX).slice(1)
  ])('is not plausible as %j', (endpoint) => {
    expect(isPlausibleEndpoint(endpoint, '/data', LINUX)).toBe(false)
  })

  it('is not plausible as another location’s pipe', () => {
    const pipe = defaultEndpoint('C:\\other', WINDOWS)
    expect(isPlausibleEndpoint(pipe, 'C:\\data', WINDOWS)).toBe(false)
    expect(isPlausibleEndpoint('\\\\.\\pipe\\docker_engine', 'C:\\data', WINDOWS)).toBe(false)
  })
})

describe.skipIf(process.platform === 'win32')('the directory of a short endpoint', () => {
  const refused = expect.objectContaining({ code: 'PARTYD_PERMISSION' })

  it('is made for the user alone', () => {
    const directory = join(scratch, 'run', 'partyd')
    assertPrivateDirectory(join(directory, 'x.sock'), LINUX)
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    assertPrivateDirectory(join(directory, 'x.sock'), LINUX)
  })

  it.each([0o777, 0o750, 0o701])('is refused when its mode is %o', (mode) => {
    const directory = join(scratch, 'planted')
    mkdirSync(directory)
    chmodSync(directory, mode)
    expect(() => assertPrivateDirectory(join(directory, 'x.sock'), LINUX)).toThrow(refused)
  })

  it('is refused when it is a link to a directory', () => {
    mkdirSync(join(scratch, 'target'), { mode: 0o700 })
    symlinkSync(join(scratch, 'target'), join(scratch, 'planted'))
    expect(() => assertPrivateDirectory(join(scratch, 'planted', 'x.sock'), LINUX)).toThrow(refused)
  })

  it('is refused when it belongs to someone else', () => {
    const directory = join(scratch, 'planted')
    mkdirSync(directory, { mode: 0o700 })
    const platform = { ...LINUX, uid: uid + 1 }
    expect(() => assertPrivateDirectory(join(directory, 'x.sock'), platform)).toThrow(refused)
  })

  it.each(['a file', 'a dangling link'])('is refused when it is %s', (what) => {
    const path = join(scratch, 'planted')
    if (what === 'a file') writeFileSync(path, '')
    else symlinkSync(join(scratch, 'nowhere'), path)
    expect(() => assertPrivateDirectory(join(path, 'x.sock'), LINUX)).toThrow(refused)
  })
})

describe('resolveLocation', () => {
  it('makes the directory for the user alone', () => {
    const location = resolveLocation(join(scratch, 'a', 'b'), true)
    expect(location).toBe(join(scratch, 'a', 'b'))
    expect(statSync(location).mode & 0o777).toBe(0o700)
  })

  it('gives one spelling for links and relative paths', () => {
    mkdirSync(join(scratch, 'real'))
    symlinkSync(join(scratch, 'real'), join(scratch, 'link'))
    expect(resolveLocation(join(scratch, 'link', '..', 'link', '.'), true)).toBe(
      join(scratch, 'real')
    )
  })

  it.each(['missing', 'empty'])('refuses a %s directory unless it may make a database', (what) => {
    const path = join(scratch, what)
    if (what === 'empty') mkdirSync(path)
    expect(() => resolveLocation(path, false)).toThrow(
      expect.objectContaining({
        code: 'LEVEL_INVALID_ARGUMENT',
        message: expect.stringContaining('does not exist (create_if_missing is false)'),
        path,
        pid: process.pid
      })
    )
  })

  it('takes a directory that holds a database', () => {
    writeFileSync(join(scratch, 'CURRENT'), '')
    expect(resolveLocation(scratch, false)).toBe(scratch)
  })

  it.each(['file', 'file/below'])('refuses a path that is or leads through a file: %s', (name) => {
    writeFileSync(join(scratch, 'file'), '')
    expect(() => resolveLocation(join(scratch, name), true)).toThrow(
      expect.objectContaining({ code: 'LEVEL_IO_ERROR', path: join(scratch, name) })
    )
  })
})

describe('locationFiles', () => {
  it('are in the location, each with a name of its own', () => {
    const paths = Object.values(locationFiles('/data'))
    expect(new Set(paths).size).toBe(paths.length)
    for (const path of paths) expect(path).toMatch(/^\/data\/(LOCK|partyd\.[a-z.]+)$/)
  })
})
