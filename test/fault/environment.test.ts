// What surrounds a daemon when it starts and while it runs: file modes, planted directories, the
// host's Node options, its working directory, signals, clocks, pid namespaces.

import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { basename, join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { findLockHolder } from '@partyd/shared'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Command, canRun } from '../harness/command.js'
import { DaemonCommands } from '../harness/daemon-command.js'
import { readWithClassicLevel } from '../harness/foreign-process.js'
import { findDaemons, Locations, publishedPid, until } from '../harness/locations.js'
import { mortalSpawn } from '../harness/mortal-daemon.js'
import { RawClient } from '../harness/raw-client.js'
import { expectWithin } from '../harness/slowness.js'

const clients = new Clients()
const commands = new DaemonCommands()
const locations = new Locations()
const others: Command[] = []

afterEach(async () => {
  for (const command of others.splice(0)) await command.end()
  await clients.end()
  await commands.reap()
  await locations.reap()
})

const isRoot = process.getuid?.() === 0

const hasStrace = await canRun('strace', '-o', '/dev/null', 'true')
const mayUnshare = await canRun('unshare', '-p', '-f', 'true')

describe('a daemon that cannot start', () => {
  // 23; most causes are in start-errors.test.ts.
  it.each([
    [
      'because the native addon does not load',
      'process.dlopen = () => { throw new Error("boom-addon") }',
      'boom-addon'
    ],
    ['because it crashes', 'process.kill(process.pid, "SIGSEGV")', 'SIGSEGV']
  ])('%s says so', async (_, source, text) => {
    const location = locations.create()
    const args = ['--import', `data:text/javascript,${encodeURIComponent(source)}`]
    const db = clients.open(location, { spawn: { args } })
    const error = await db.put('a', '1').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { path: expect.any(String) }
    })
    expect((error as Error).message).toContain(text)
    expect(findDaemons(location)).toEqual([])
  })

  it('because the disk is full says so, and leaves no database half made', async () => {
    const location = locations.create()
    const db = clients.open(location, {
      spawn: { execPath: 'prlimit', args: ['--fsize=16', process.execPath] }
    })
    const error = await db.put('a', '1').catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      cause: { code: 'LEVEL_IO_ERROR', path: location }
    })
    // With room again all is well.
    await clients.open(location).put('a', '1')
  })
})

describe('the socket', () => {
  // 28
  it.runIf(hasStrace)('is closed to others before anybody can find it', async () => {
    const location = locations.create()
    const trace = join(locations.create(), 'trace')
    const calls = 'trace=bind,chmod,fchmodat,rename,renameat,renameat2'
    for (const umask of [0o000, 0o077]) {
      const daemon = await commands.serve(location, ['--auto'], {
        wrapper: ['strace', '-f', '-o', trace, '-e', calls],
        umask
      })
      await PartyLevel.stop(location)
      await daemon.ended
      const lines = readFileSync(trace, 'utf8').split('\n')
      const find = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line))
      const bound = find(/bind\(.*\/\.p[0-9a-f]{8}"/)
      const closed = find(/chmod(at)?\(.*\/\.p[0-9a-f]{8}", 0600/)
      const published = find(/rename.*\/\.p[0-9a-f]{8}".*partyd\.sock"/)
      expect(bound).toBeGreaterThanOrEqual(0)
      expect(closed).toBeGreaterThan(bound)
      expect(published).toBeGreaterThan(closed)
    }
  })

  // 30
  it.runIf(isRoot).each([
    ['a symlink', (path: string, target: string) => symlinkSync(target, path), 'not a directory'],
    [
      'open to others',
      (path: string) => {
        mkdirSync(path)
        chmodSync(path, 0o777)
      },
      'open to other users'
    ],
    [
      'of another owner',
      (path: string) => {
        mkdirSync(path, { mode: 0o700 })
        lchownSync(path, 12_345, 12_345)
      },
      'belongs to user 12345'
    ]
  ])('is not made in a directory that is %s', async (_, plant, reason) => {
    const runtime = locations.create()
    const target = locations.create()
    plant(join(runtime, 'partyd'), target)
    const location = join(locations.create(), 'x'.repeat(120))
    const startedAt = Date.now()
    const { stdout } = await clients.run(
      `const db = new PartyLevel(location)
       const { code, message, cause } = await db.put('a', '1').catch((error) => error)
       console.log(JSON.stringify({ code, message, cause: { code: cause.code, path: cause.path } }))`,
      { args: [location], env: { XDG_RUNTIME_DIR: runtime } }
    )
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'LEVEL_DATABASE_NOT_OPEN',
      message: expect.stringContaining(reason),
      cause: {
        code: 'PARTYD_PERMISSION',
        path: expect.stringContaining(join(runtime, 'partyd'))
      }
    })
    expectWithin(Date.now() - startedAt, 8_000)
    expect(findDaemons(location)).toEqual([])
  })

  it('is not waited for below what is no directory', async () => {
    const location = join(locations.create(), 'x'.repeat(120))
    const { stdout } = await clients.run(
      `const db = new PartyLevel(location)
       const { cause } = await db.put('a', '1').catch((error) => error)
       console.log(cause.code, cause.message)`,
      { args: [location], env: { XDG_RUNTIME_DIR: '/dev/null' } }
    )
    expect(stdout).toContain('/dev/null/partyd')
    // Nobody was there to be silent.
    expect(stdout).not.toContain('PARTYD_UNRESPONSIVE')
  })
})

describe('the files of a location', () => {
  // I6: POSIX drops the lock when any descriptor of LOCK is closed.
  it.runIf(hasStrace)(
    'are opened by LevelDB once, and by the daemon if they are its own',
    async () => {
      const location = locations.create()
      const trace = join(locations.create(), 'trace')
      const daemon = await commands.serve(location, ['--auto'], {
        wrapper: ['strace', '-f', '-o', trace, '-e', 'trace=open,openat,openat2,creat']
      })
      const db = clients.open(location)
      await db.batch([{ type: 'put', key: 'a', value: '1' }])
      expect(await db.keys().all()).toEqual(['a'])
      for (const signal of ['SIGHUP', 'SIGUSR2'] as const) process.kill(daemonOf(location), signal)
      await PartyLevel.stop(location)
      await daemon.ended
      const opened = readFileSync(trace, 'utf8')
        .split('\n')
        .map((line) => /open\w*\(.*"([^"]+)".* = \d+$/.exec(line)?.[1])
        .filter((path) => path?.startsWith(`${location}/`))
        .map((path) => basename(path as string))
      expect(opened.filter((name) => name === 'LOCK')).toHaveLength(1)
      expect(opened.filter((name) => name === 'CURRENT').length).toBeLessThanOrEqual(1)
      expect(opened).toContain('partyd.log')
      const levels = /^(LOCK|LOG|CURRENT|MANIFEST-\d+|\d+\.(log|ldb|dbtmp))$/
      const ours = /^partyd\.(json(\.tmp)?|log)$/
      expect(opened.filter((name) => !levels.test(name) && !ours.test(name))).toEqual([])
    }
  )
})

/** The daemon itself, where the process that was started is what traces it. */
function daemonOf(location: string): number {
  return publishedPid(location) as number
}

describe('the host of a spawning client', () => {
  // 38
  it('hands none of its debugger, preloads, coverage and certificates to the daemon', async () => {
    const location = locations.create()
    const preload = join(locations.create(), 'preload.cjs')
    writeFileSync(preload, '')
    const coverage = locations.create()
    const { code, stderr } = await clients.run(
      `const db = new PartyLevel(location)
       await db.put('a', '1')
       await db.close()`,
      {
        args: [location],
        nodeArgs: ['--inspect=0'],
        env: {
          NODE_OPTIONS: `--require ${preload}`,
          NODE_V8_COVERAGE: coverage,
          NODE_EXTRA_CA_CERTS: preload,
          NODE_CHANNEL_SERIALIZATION_MODE: 'json',
          npm_config_x: '1',
          PARTYD_X: '1'
        }
      }
    )
    expect({ code, stderr: stderr.replace(/^(Debugger|For help).*\n/gm, '') }).toEqual({
      code: 0,
      stderr: ''
    })
    const pid = publishedPid(location) as number
    const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
    expect(
      environ.filter((line) =>
        /^(NODE_OPTIONS|NODE_V8|NODE_EXTRA|NODE_CHANNEL|npm_|PARTYD_)/.test(line)
      )
    ).toEqual([])
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toMatch(/inspect|preload/)
  })

  // 39
  it('may lose its working directory', async () => {
    const location = locations.create()
    const cwd = locations.create()
    const { code, stderr } = await clients.run(
      `import { rmSync } from 'node:fs'
       process.chdir(process.argv[2])
       rmSync(process.argv[2], { recursive: true })
       const db = new PartyLevel(location)
       await db.put('a', '1')
       await db.close()`,
      { args: [location, cwd] }
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(existsSync(cwd)).toBe(false)
    expect(readlinkSync(`/proc/${publishedPid(location)}/cwd`)).toBe('/')
    expect(await clients.open(location).get('a')).toBe('1')
  })

  // 46
  it.runIf(mayUnshare)('may live in a pid namespace of its own', { timeout: 60_000 }, async () => {
    const location = locations.create()
    const source = `import { PartyLevel } from '@partyd/client'
const db = new PartyLevel(process.argv[1], { idleTimeoutMs: 2_000 })
await db.put('k ' + process.argv[2], String(process.pid))
console.log(JSON.stringify(await db.keys().all()))
await db.close()`
    const runInNamespace = (name: string): Command => {
      const node = [process.execPath, '--input-type=module', '--eval', source, '--', location, name]
      const cwd = new URL('..', import.meta.url).pathname
      const command = new Command('unshare', ['-p', '-f', ...node], { cwd })
      others.push(command)
      return command
    }
    // The daemon is outside.
    const db = clients.open(location)
    await db.put('outside', '1')
    const pid = publishedPid(location)
    const inside = await runInNamespace('1').finished
    expect(inside).toMatchObject({ code: 0, stdout: '["k 1","outside"]\n' })
    expect(publishedPid(location)).toBe(pid)
    await db.close()
    await PartyLevel.stop(location)
    // The daemon is inside, where it is another number; its namespace ends with its first process.
    const first = runInNamespace('2')
    expect(await first.finished).toMatchObject({ code: 0, stdout: '["k 1","k 2","outside"]\n' })
    const again = clients.open(location)
    expect(await again.get('outside')).toBe('1')
    await again.close()
  })
})

describe('signals', () => {
  // 36; the second and the third signal are in daemon-life.test.ts, SIGHUP in log-file.test.ts.
  it('one SIGTERM lets clients have 10 s, and no trace is left', { timeout: 60_000 }, async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--auto'])
    const stuck = await RawClient.connect(join(location, 'partyd.sock'))
    await stuck.greet('retry', {
      sessionId: '0'.repeat(32),
      attempt: 1,
      generation: null,
      settledThrough: 0,
      sentThrough: 0
    })
    await stuck.put('a', '1')
    const startedAt = Date.now()
    daemon.child.kill('SIGTERM')
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
    expect(Date.now() - startedAt).toBeGreaterThan(9_000)
    expect(Date.now() - startedAt).toBeLessThan(16_000)
    expect(findLockHolder(location)).toBe(undefined)
    expect(await readWithClassicLevel(location)).toEqual([['a', '1']])
  })
})

describe('clocks that jump by an hour, there and back,', () => {
  // 45
  it('change no daemon, and fail no operation', { timeout: 60_000 }, async () => {
    const location = locations.create()
    const spawn = mortalSpawn({ clockJumpsMs: 3_600_000 })
    const program = clients.start(
      `const { now } = Date
       let jump = 0
       Date.now = () => now() + jump
       setInterval(() => { jump = jump > 0 ? -3_600_000 : 3_600_000 }, 30).unref()
       const db = new PartyLevel(location, { spawn: JSON.parse(process.argv[2]), retryTimeoutMs: 5_000 })
       db.on('warning', (warning) => console.log('warning', warning.message))
       const end = performance.now() + 7_000
       let count = 0
       while (performance.now() < end) {
         await db.put('k', String(++count))
         if (await db.get('k') !== String(count)) throw new Error('lost')
         if (count % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 50))
         for await (const _ of db.iterator({ limit: 3 })) break
       }
       await db.close()
       console.log('done')`,
      { args: [location, JSON.stringify(spawn)] }
    )
    await until(() => publishedPid(location) !== undefined, 'the daemon')
    const pid = publishedPid(location)
    const { stdout, stderr } = await program.finished
    expect({ stdout, stderr }).toEqual({ stdout: 'done\n', stderr: '' })
    expect(publishedPid(location)).toBe(pid)
    expect(findDaemons(location)).toEqual([pid])
  })
})
