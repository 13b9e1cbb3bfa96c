// A daemon whose socket the service manager has bound: real `systemd-socket-activate` listens, and
// becomes the daemon when the first client comes.

import { type BigIntStats, existsSync, lstatSync, mkdirSync, symlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readRendezvous } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { DaemonCommand } from '../harness/daemon-command.js'
import { readWithClassicLevel } from '../harness/foreign-process.js'
import { hasProgram } from '../harness/has-program.js'
import { Locations, until } from '../harness/locations.js'

const clients = new Clients()
const locations = new Locations()
const running: DaemonCommand[] = []
afterEach(async () => {
  await clients.end()
  for (const command of running.splice(0)) {
    if (command.isRunning) command.child.kill('SIGKILL')
    await command.ended
  }
  await locations.reap()
})

/** Listens at these addresses; the first connection to one of them starts the daemon. */
async function activate(
  location: string,
  addresses: readonly string[],
  args: readonly string[] = []
): Promise<DaemonCommand> {
  const listen = addresses.map((address) => `--listen=${address}`)
  const command = new DaemonCommand(['serve', location, '--service', ...args], {
    wrapper: ['systemd-socket-activate', ...listen]
  })
  running.push(command)
  const paths = addresses.filter((address) => address.startsWith('/'))
  await until(() => paths.every((path) => existsSync(path)), 'the socket')
  return command
}

function start(location: string, env: NodeJS.ProcessEnv): DaemonCommand {
  const command = new DaemonCommand(['serve', location, '--service'], { env })
  running.push(command)
  return command
}

function lookAt(path: string): BigIntStats {
  return lstatSync(path, { bigint: true })
}

// 34
describe.skipIf(!hasProgram('systemd-socket-activate'))('a daemon that is given its socket', () => {
  it('serves on it, and leaves the file where it is', async () => {
    const location = locations.create()
    const socket = join(location, 'partyd.sock')
    const service = await activate(location, [socket], ['--fence-interval', '100'])
    const { ino } = lookAt(socket)
    const db = clients.open(location, { autospawn: false })
    await db.put('a', '1')
    expect(readRendezvous(location)).toMatchObject({ pid: service.pid, endpoint: socket })
    expect(await db.info()).toMatchObject({ pid: service.pid, mode: 'service', endpoint: socket })
    // The fence has looked a few times.
    await sleep(500)
    expect(await db.get('a')).toBe('1')
    expect(lookAt(socket).ino).toBe(ino)
    await db.close()
    service.child.kill('SIGTERM')
    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(lookAt(socket).ino).toBe(ino)
    expect(existsSync(join(location, 'partyd.json'))).toBe(false)
    expect(await readWithClassicLevel(location)).toEqual([['a', '1']])
  })

  it('reaches the path that clients know by a link, too', async () => {
    const directory = locations.create()
    const location = join(directory, 'db')
    mkdirSync(location)
    symlinkSync(location, join(directory, 'link'))
    await activate(join(directory, 'link'), [join(directory, 'link', 'partyd.sock')])
    const db = clients.open(location, { autospawn: false })
    await db.put('a', '1')
    expect(readRendezvous(location)?.endpoint).toBe(join(location, 'partyd.sock'))
  })

  it('ends when it is idle, if told so, and is succeeded at the same path', async () => {
    const location = locations.create()
    const socket = join(location, 'partyd.sock')
    const service = await activate(location, [socket], ['--idle-timeout', '200'])
    const first = clients.open(location, { autospawn: false })
    await first.put('a', '1')
    await first.close()
    expect(await service.ended).toEqual({ code: 0, signal: null })
    expect(existsSync(socket)).toBe(true)
    // With the manager gone as well, nobody listens, and a client starts a daemon as ever.
    const second = clients.open(location)
    expect(await second.get('a')).toBe('1')
    expect(await second.info()).toMatchObject({ mode: 'auto', endpoint: socket })
  })

  it('fails with code 24 when it is given two', async () => {
    const location = locations.create()
    const socket = join(location, 'partyd.sock')
    const service = await activate(location, [socket, join(location, 'second.sock')])
    const db = clients.open(location, { autospawn: false, connectTimeoutMs: 500 })
    await db.open().catch(() => {})
    expect(await service.ended).toEqual({ code: 24, signal: null })
    expect(service.stderr).toContain('LISTEN_FDS is 2, but a location has one socket')
    expect(existsSync(socket)).toBe(true)
  })

  it('fails with code 24 when clients would not look there', async () => {
    const location = locations.create()
    const elsewhere = join(location, 'elsewhere.sock')
    const service = await activate(location, [elsewhere])
    connect(elsewhere).on('error', () => {})
    expect(await service.ended).toEqual({ code: 24, signal: null })
    expect(service.stderr).toContain(
      `listens at ${elsewhere}, where no client of ${location} looks`
    )
    expect(service.stderr).toContain(`ListenStream=${join(location, 'partyd.sock')}`)
  })

  it('fails with code 24 when it is no unix socket', async () => {
    const location = locations.create()
    const port = await freePort()
    const service = await activate(location, [`127.0.0.1:${port}`])
    const knock = setInterval(() => connect(port, '127.0.0.1').on('error', () => {}), 50)
    expect(await service.ended).toEqual({ code: 24, signal: null })
    clearInterval(knock)
    expect(service.stderr).toContain('is no listening unix socket')
  })
})

describe('variables of socket activation', () => {
  it.each([
    [
      'another process',
      { LISTEN_PID: '1', LISTEN_FDS: '1' },
      'LISTEN_PID is 1, but this is process'
    ],
    ['nobody', { LISTEN_FDS: '1' }, 'LISTEN_PID is not set']
  ])('for %s end a start with code 24', async (_, env, message) => {
    const location = locations.create()
    const service = start(location, env)
    expect(await service.ended).toEqual({ code: 24, signal: null })
    expect(service.stderr).toContain(message)
    expect(existsSync(join(location, 'CURRENT'))).toBe(false)
  })

  it('without a socket mean nothing', async () => {
    const location = locations.create()
    const service = start(location, { LISTEN_PID: '1', LISTEN_FDS: '0' })
    await service.logged('serving')
    expect(readRendezvous(location)?.pid).toBe(service.pid)
  })

  it('never reach a daemon that a client starts', async () => {
    const location = locations.create()
    const program = clients.start(
      `const db = new PartyLevel(location)
       await db.put('a', '1')
       console.log('put')
       await db.close()`,
      { args: [location], env: { LISTEN_PID: '1', LISTEN_FDS: '1' } }
    )
    expect(await program.finished).toMatchObject({ code: 0, stdout: 'put\n' })
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
