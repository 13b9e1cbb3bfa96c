// What a service manager is told of a daemon, and when.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { readRendezvous } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { DaemonCommands } from '../harness/daemon-command.js'
import { ForeignProcess } from '../harness/foreign-process.js'
import { hasProgram } from '../harness/has-program.js'
import { Locations } from '../harness/locations.js'
import { NotifySocket } from '../harness/notify-socket.js'
import { Oracle } from '../harness/oracle.js'

const clients = new Clients()
const locations = new Locations()
const commands = new DaemonCommands()
const managers: NotifySocket[] = []
const foreigners: ForeignProcess[] = []
afterEach(async () => {
  await clients.end()
  await commands.reap()
  for (const manager of managers.splice(0)) manager.close()
  for (const foreigner of foreigners.splice(0)) await foreigner.kill()
  await locations.reap()
})

async function listen(name: string): Promise<NotifySocket> {
  const manager = new NotifySocket(name)
  managers.push(manager)
  await manager.bound()
  return manager
}

/** How long a message that must not come is waited for. */
const QUIET_MS = 700

const canRun = hasProgram('python3') && hasProgram('systemd-notify')

// 35
describe.skipIf(!canRun)('a service manager', () => {
  it.each([
    ['a path', (directory: string) => join(directory, 'notify')],
    ['an abstract name', (directory: string) => `@${directory}/notify`]
  ])(
    'hears at %s that a daemon is ready when it is published, and that it ends',
    async (_, name) => {
      const directory = locations.create()
      const oracle = new Oracle(directory)
      const NOTIFY_SOCKET = name(directory)
      const manager = await listen(NOTIFY_SOCKET)
      const { args, env } = oracle.spawn({ openMs: 1_500 })
      const service = commands.start(['serve', oracle.location, '--service', '--ready-fd', '3'], {
        env: { ...env, NODE_OPTIONS: args.join(' '), NOTIFY_SOCKET }
      })
      await oracle.happened('opening')
      await sleep(QUIET_MS)
      expect(oracle.count('publish')).toBe(0)
      expect(manager.messages).toEqual([])

      const ready = await manager.received('READY=1')
      expect(readRendezvous(oracle.location)?.pid).toBe(service.pid)
      expect(ready.split('\n').sort()).toEqual([
        `MAINPID=${service.pid}`,
        'READY=1',
        `STATUS=serving ${oracle.location}`
      ])

      service.child.kill('SIGTERM')
      expect(await manager.received('STOPPING=1')).toContain('STATUS=stopping: signal')
      expect(await service.ended).toEqual({ code: 0, signal: null })
      expect(manager.messages.length).toBe(2)
    }
  )

  it('hears before STOPPING=1 nothing of a daemon that is told to stop in the same moment', async () => {
    const directory = locations.create()
    const NOTIFY_SOCKET = join(directory, 'notify')
    const manager = await listen(NOTIFY_SOCKET)
    const location = join(directory, 'db')
    const service = await commands.serve(location, ['--service'], { env: { NOTIFY_SOCKET } })
    service.child.kill('SIGTERM')
    await service.ended
    await manager.received('STOPPING=1')
    expect(manager.messages.map((message) => message.match(/^(READY|STOPPING)=1/m)?.[0])).toEqual([
      'READY=1',
      'STOPPING=1'
    ])
  })

  it('hears once what a daemon is waiting for', async () => {
    const directory = locations.create()
    const NOTIFY_SOCKET = join(directory, 'notify')
    const manager = await listen(NOTIFY_SOCKET)
    const location = join(directory, 'db')
    const holder = await ForeignProcess.holdLock(location)
    foreigners.push(holder)
    const service = commands.start(['serve', location, '--service'], { env: { NOTIFY_SOCKET } })
    await manager.received(`STATUS=Waiting for the lock of ${location}, held by pid ${holder.pid}`)
    await sleep(QUIET_MS)
    expect(manager.messages.length).toBe(1)
    await holder.release()
    await manager.received('READY=1')
    expect(service.isRunning).toBe(true)
  })

  it('hears of a foreground daemon, and nothing of one that a client started', async () => {
    const directory = locations.create()
    const NOTIFY_SOCKET = join(directory, 'notify')
    const manager = await listen(NOTIFY_SOCKET)
    const auto = join(directory, 'auto')
    const db = clients.open(auto, { spawn: { env: { NOTIFY_SOCKET } } })
    await db.put('a', '1')
    await db.close()
    await PartyLevel.stop(auto)
    expect(manager.messages).toEqual([])
    const foreground = join(directory, 'foreground')
    await commands.serve(foreground, [], { env: { NOTIFY_SOCKET } })
    expect(await manager.received('READY=1')).toContain(foreground)
  })
})

describe('a daemon that cannot tell its service manager', () => {
  it('for want of systemd-notify says so once, and serves', async () => {
    const directory = locations.create()
    const bin = join(directory, 'bin')
    mkdirSync(bin)
    symlinkSync(process.execPath, join(bin, 'node'))
    const location = join(directory, 'db')
    const env = { PATH: bin, NOTIFY_SOCKET: join(directory, 'notify') }
    const service = await commands.serve(location, ['--service'], { env })
    await service.logged('there is no program systemd-notify')
    const db = clients.open(location, { autospawn: false })
    await db.put('a', '1')
    await db.close()
    service.child.kill('SIGTERM')
    expect(await service.ended).toEqual({ code: 0, signal: null })
    const warnings = service.logRecords.filter(({ level }) => level === 40)
    expect(warnings.length).toBe(1)
  })

  it('because nobody listens says so, and serves', async () => {
    const directory = locations.create()
    const bin = join(directory, 'bin')
    mkdirSync(bin)
    // It ends as the real one does when there is no socket.
    const program = '#!/bin/sh\necho "Failed to notify init system: $NOTIFY_SOCKET" >&2\nexit 1\n'
    writeFileSync(join(bin, 'systemd-notify'), program, { mode: 0o755 })
    const env = { PATH: `${bin}:${process.env['PATH']}`, NOTIFY_SOCKET: '/nowhere' }
    const service = await commands.serve(join(directory, 'db'), ['--service'], { env })
    await service.logged('Failed to notify init system: /nowhere')
    expect(service.isRunning).toBe(true)
  })
})
