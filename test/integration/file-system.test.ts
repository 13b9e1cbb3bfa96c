// Locations on network file systems, which a hook has the kernel claim: refused, unless allowed.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { DaemonCommands } from '../harness/daemon-command.js'
import { findDaemons, Locations, until } from '../harness/locations.js'

const HOOK = new URL('../harness/file-system-hook.js', import.meta.url).href
const NFS = '0x6969'
const FUSE = '0x65735546'

const clients = new Clients()
const commands = new DaemonCommands()
const locations = new Locations()

afterEach(async () => {
  await clients.end()
  await commands.reap()
  await locations.reap()
})

function spawnOn(type: string) {
  return { args: ['--import', HOOK], env: { PARTYD_TEST_FILE_SYSTEM: type } }
}

function envOn(type: string): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import ${HOOK}`, PARTYD_TEST_FILE_SYSTEM: type }
}

describe('on a network file system', () => {
  it('a client’s daemon does not start, and says why', async () => {
    const location = locations.create()
    const db = clients.open(location, { spawn: spawnOn(NFS) })
    const error = await db.put('a', '1').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: {
        code: 'PARTYD_NETWORK_FS',
        path: location,
        message: expect.stringContaining('(nfs)')
      }
    })
    // It has said so, and is about to end.
    await until(() => findDaemons(location).length === 0, 'the end of the daemon')
    expect(existsSync(join(location, 'CURRENT'))).toBe(false)
    expect(existsSync(join(location, 'LOCK'))).toBe(false)
  })

  it('a client may allow it, and then the log warns', async () => {
    const location = locations.create()
    const db = clients.open(location, { spawn: spawnOn(NFS), allowNetworkFs: true })
    await db.put('a', '1')
    expect(await db.get('a')).toBe('1')
    await until(() => readLog(location).includes('is on a file system (nfs)'), 'the warning')
  })

  it.each([[[]], [['--service']]])('`partyd serve` with %j ends with code 2', async (args) => {
    const location = locations.create()
    const daemon = commands.start(['serve', location, ...args], { env: envOn(NFS) })
    expect(await daemon.ended).toEqual({ code: 2, signal: null })
    expect(daemon.stderr).toContain(`${location} is on a network file system (nfs)`)
    expect(daemon.stderr).toContain('--allow-network-fs')
    expect(existsSync(join(location, 'LOCK'))).toBe(false)
  })

  it('`partyd --allow-network-fs` serves', async () => {
    const location = locations.create()
    await commands.serve(location, ['--allow-network-fs'], { env: envOn(NFS) })
    await clients.open(location, { autospawn: false }).put('a', '1')
    // Whoever restarts it must know.
    const { answer } = await commands.ask(['status', location])
    expect(answer).toMatchObject({ allowNetworkFs: true })
  })

  it('a daemon that was allowed it is allowed it when it is restarted', async () => {
    const location = locations.create()
    const first = await commands.serve(location, ['--allow-network-fs'], { env: envOn(NFS) })
    const { code, answer } = await commands.ask(['restart', location])
    expect(code).toBe(0)
    expect(answer).toMatchObject({ stopped: first.pid })
    const status = await commands.ask(['status', location])
    expect(status.answer).toMatchObject({ pid: answer['pid'], allowNetworkFs: true })
  })
})

it('on FUSE, which may be anything, the log warns', async () => {
  const location = locations.create()
  await clients.open(location, { spawn: spawnOn(FUSE) }).put('a', '1')
  await until(() => readLog(location).includes('is on a file system (fuse)'), 'the warning')
})

it('elsewhere it says nothing', async () => {
  const location = locations.create()
  await clients.open(location).put('a', '1')
  await until(() => readLog(location).includes('serving'), 'the log')
  expect(readLog(location)).not.toContain('file system')
})

function readLog(location: string): string {
  return readFileSync(join(location, 'partyd.log'), 'utf8')
}
