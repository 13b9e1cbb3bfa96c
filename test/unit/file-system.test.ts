import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import type { Platform } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import {
  assertLocalFileSystem,
  describeFileSystem
} from '../../packages/daemon/dist/start/file-system.js'

const LINUX: Platform = { name: 'linux', uid: 0, runtimeDirectory: undefined }
const DARWIN: Platform = { ...LINUX, name: 'darwin' }
const WINDOWS: Platform = { name: 'win32', uid: -1, runtimeDirectory: undefined }

const { statfsSync } = fs
afterEach(() => {
  fs.statfsSync = statfsSync
  syncBuiltinESMExports()
})

/** Has the kernel answer with that type. */
function pretend(type: bigint): void {
  fs.statfsSync = (() => ({ type })) as unknown as typeof statfsSync
  syncBuiltinESMExports()
}

describe('describeFileSystem', () => {
  it.each([
    [0x6969n, 'nfs'],
    [0x517bn, 'smb'],
    [0xff534d42n, 'cifs'],
    [0xfe534d42n, 'smb2'],
    [0x00c36400n, 'ceph'],
    [0x0bd00bd0n, 'lustre'],
    [0x5346414fn, 'afs'],
    [0x6b414653n, 'afs'],
    [0x01161970n, 'gfs2'],
    [0x7461636fn, 'ocfs2'],
    [0x01021997n, '9p'],
    // As a system with numbers of 32 bits and a sign has it.
    [0xffff_ffff_ff53_4d42n, 'cifs']
  ])('knows 0x%s as a network’s: %s', (type, name) => {
    pretend(type)
    const found = describeFileSystem('/data', LINUX)
    expect(found).toEqual({ type: name, isNetwork: true })
    expect(() => assertLocalFileSystem(found, '/data')).toThrow(name)
  })

  it.each([
    [0xef53n, 'ext4'],
    [0x01021994n, 'tmpfs'],
    [0x794c7630n, 'overlay'],
    [0x9123683en, 'btrfs'],
    [0x65735546n, 'fuse'],
    [0x1234n, 'unknown']
  ])('knows 0x%s as local: %s', (type, name) => {
    pretend(type)
    const found = describeFileSystem('/data', LINUX)
    expect(found).toEqual({ type: name, isNetwork: false })
    assertLocalFileSystem(found, '/data')
  })

  it('looks at the real thing', () => {
    expect(describeFileSystem(tmpdir())).toMatchObject({ isNetwork: false })
    expect(describeFileSystem('/nowhere/at/all', LINUX).type).toBe('unknown')
  })

  it('goes by the path on Windows, and by nothing on macOS', () => {
    const smb = { type: 'smb', isNetwork: true }
    const unknown = { type: 'unknown', isNetwork: false }
    expect(describeFileSystem('\\\\server\\share\\data', WINDOWS)).toEqual(smb)
    expect(describeFileSystem('\\\\?\\UNC\\server\\share', WINDOWS)).toEqual(smb)
    for (const path of ['C:\\data', '\\\\?\\C:\\data', '\\\\.\\C:\\data']) {
      expect(describeFileSystem(path, WINDOWS)).toEqual(unknown)
    }
    pretend(0x6969n)
    expect(describeFileSystem('/data', DARWIN)).toEqual(unknown)
  })

  it('costs a start nothing that could be measured', () => {
    const startedAt = performance.now()
    for (let count = 0; count < 1_000; count++) describeFileSystem(tmpdir())
    const us = performance.now() - startedAt
    console.log(`describeFileSystem takes ${us.toFixed(1)} µs`)
    expect(us).toBeLessThan(1_000)
  })
})
