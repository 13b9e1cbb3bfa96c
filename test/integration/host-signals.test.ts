import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'
import { afterEach, describe, expect, it } from 'vitest'
import { findDaemons, isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { Program, run } from '../harness/program.js'

const locations = new Locations()
const programs: Program[] = []

function start(source: string, location: string, args: readonly string[] = []): Program {
  const program = new Program(source, { args: [location, ...args] })
  programs.push(program)
  return program
}

afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.child.kill('SIGKILL')
    await program.finished
  }
  await locations.reap()
})

/** signal-exit 3 from where proper-lockfile finds it: the same copy that the client would load. */
const SIGNAL_EXIT = createRequire(
  createRequire(
    fileURLToPath(new URL('../../packages/client/package.json', import.meta.url))
  ).resolve('proper-lockfile')
).resolve('signal-exit')

/** Everything that signal-exit would change, as text. */
const DESCRIBE_PROCESS = `
import { constants } from 'node:os'
const original = { emit: process.emit, reallyExit: process.reallyExit }
function describeProcess() {
  const listeners = {}
  for (const name of [...Object.keys(constants.signals), ...process.eventNames().map(String)]) {
    listeners[name] = process.listenerCount(name)
  }
  return JSON.stringify({
    listeners: Object.fromEntries(Object.entries(listeners).sort()),
    emit: process.emit === original.emit,
    hasOwnEmit: Object.hasOwn(process, 'emit'),
    reallyExit: process.reallyExit === original.reallyExit
  })
}
`

// 53
describe('a host that cleans up on a signal', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('finishes on %s', async (signal) => {
    const location = locations.create()
    const program = start(
      `process.once('${signal}', async () => {
         console.log('cleaning up')
         await new Promise((resolve) => setTimeout(resolve, 500))
         await db.put('cleaned', 'up')
         await db.close()
         console.log('cleaned up')
         process.exit(7)
       })
       const db = new PartyLevel(location)
       await db.put('a', '1')
       console.log('serving')
       setInterval(() => {}, 1000)`,
      location
    )
    await program.printed('serving')
    expect(findDaemons(location)).toHaveLength(1)
    program.child.kill(signal)
    const finished = await program.finished
    expect(finished).toMatchObject({ code: 7, signal: null, stderr: '' })
    expect(finished.stdout).toBe('serving\ncleaning up\ncleaned up\n')
    const db = new PartyLevel(location)
    expect(await db.get('cleaned')).toBe('up')
    await db.close()
  })

  it('ends by the signal as ever when it has no handler', async () => {
    const location = locations.create()
    const program = start(
      `const db = new PartyLevel(location)
       await db.put('a', '1')
       console.log('serving')
       setInterval(() => {}, 1000)`,
      location
    )
    await program.printed('serving')
    program.child.kill('SIGTERM')
    expect(await program.finished).toMatchObject({ code: null, signal: 'SIGTERM' })
  })

  it('sees its own exit code', async () => {
    const location = locations.create()
    const { code, stdout } = await run(
      `process.on('exit', (code) => console.log('exit', code))
       const db = new PartyLevel(location)
       await db.put('a', '1')
       process.exitCode = 9`,
      { args: [location] }
    )
    expect({ code, stdout }).toEqual({ code: 9, stdout: 'exit 9\n' })
  })
})

describe('the process object', () => {
  it('is as it was after importing, spawning, failing over and closing', async () => {
    const location = locations.create()
    const finished = await run(
      `${DESCRIBE_PROCESS}
       import { readFileSync } from 'node:fs'
       const before = describeProcess()
       const states = []
       // The import at the top has run by now: a process that never imports says the same.
       const { connectGuest } = await import('@partyd/client/many-level')
       states.push(describeProcess())
       const db = new PartyLevel(location)
       await db.put('a', '1')
       states.push(describeProcess())
       const { pid } = JSON.parse(readFileSync(location + '/partyd.json', 'utf8'))
       process.kill(pid, 'SIGKILL')
       await db.put('a', '2')
       states.push(describeProcess())
       await db.close()
       await PartyLevel.stop(location)
       const guest = connectGuest(location)
       await guest.put('b', '3')
       states.push(describeProcess())
       await guest.close()
       states.push(describeProcess())
       console.log(JSON.stringify({ before, states }))`,
      { args: [location] }
    )
    expect(finished.stderr).toBe('')
    const { before, states } = JSON.parse(finished.stdout) as { before: string; states: string[] }
    const bare = await bareProcess()
    expect(before).toBe(bare)
    expect(states).toHaveLength(5)
    for (const state of states) expect(state).toBe(before)
    expect(JSON.parse(before)).toMatchObject({ emit: true, hasOwnEmit: false, reallyExit: true })
  })

  /** What a process says of itself that has never heard of partyd. */
  async function bareProcess(): Promise<string> {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '--eval', `${DESCRIBE_PROCESS}\nconsole.log(describeProcess())`],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    )
    let text = ''
    child.stdout.on('data', (data: Buffer) => {
      text += data.toString()
    })
    await once(child, 'close')
    return text.trim()
  }

  it('keeps the spawn lock’s leftovers out when the start fails, too', async () => {
    const location = locations.create()
    const { stdout, stderr } = await run(
      `${DESCRIBE_PROCESS}
       const before = describeProcess()
       const db = new PartyLevel(location, { spawn: { args: ['--require', '/nowhere.cjs'] } })
       const error = await db.put('a', '1').catch((error) => error)
       console.log(error.cause.code, describeProcess() === before)`,
      { args: [location] }
    )
    expect(stderr).toBe('')
    expect(stdout).toBe('PARTYD_CRASHED true\n')
  })
})

describe('a host that uses signal-exit itself', () => {
  const USE_SIGNAL_EXIT = `
    import { createRequire } from 'node:module'
    const onExit = createRequire(import.meta.url)(process.argv[2])
  `

  it.each([
    ['before the client', true],
    ['after the client', false]
  ])('has its handler called on SIGTERM, registered %s', async (_, isBefore) => {
    const location = locations.create()
    const register = `onExit((code, signal) => console.log('onExit', code, signal))`
    const program = start(
      `${USE_SIGNAL_EXIT}
       ${isBefore ? register : ''}
       const db = new PartyLevel(location)
       await db.put('a', '1')
       ${isBefore ? '' : register}
       console.log('serving')
       setInterval(() => {}, 1000)`,
      location,
      [SIGNAL_EXIT]
    )
    await program.printed('serving')
    program.child.kill('SIGTERM')
    const finished = await program.finished
    expect(finished.stdout).toBe('serving\nonExit null SIGTERM\n')
    expect(finished).toMatchObject({ code: null, signal: 'SIGTERM' })
  })

  it.each([true, false])('has it called on exit (registered before: %s)', async (isBefore) => {
    const location = locations.create()
    const register = `onExit((code, signal) => console.log('onExit', code, signal))`
    const { code, stdout } = await run(
      `${USE_SIGNAL_EXIT}
       ${isBefore ? register : ''}
       const db = new PartyLevel(location)
       await db.put('a', '1')
       ${isBefore ? '' : register}
       process.exit(5)`,
      { args: [location, SIGNAL_EXIT] }
    )
    expect({ code, stdout }).toEqual({ code: 5, stdout: 'onExit 5 null\n' })
  })
})

describe('Ctrl-C', () => {
  it.each(['SIGINT', 'SIGHUP', 'SIGTERM'] as const)(
    'to the client’s process group (%s) does not end the daemon',
    async (signal) => {
      const location = locations.create()
      // A shell starts the client in a group of its own, as it does with a job.
      const source = `
        const { PartyLevel } = await import('@partyd/client')
        const db = new PartyLevel(process.argv[1], { idleTimeoutMs: 10_000 })
        await db.put('a', '1')
        console.log('serving')
        setInterval(() => {}, 1000)`
      const child = spawn(process.execPath, ['--input-type=module', '--eval', source, location], {
        cwd: fileURLToPath(new URL('..', import.meta.url)),
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout: 30_000,
        killSignal: 'SIGKILL'
      })
      const closed = once(child, 'close')
      await once(child.stdout, 'data')
      const pid = publishedPid(location) as number
      process.kill(-(child.pid as number), signal)
      expect(await closed).toEqual([null, signal])
      const db = new PartyLevel(location, { autospawn: false })
      expect(await db.get('a')).toBe('1')
      await db.close()
      expect(isAlive(pid)).toBe(true)
      expect(publishedPid(location)).toBe(pid)
      await PartyLevel.stop(location)
      await until(() => !isAlive(pid), 'the daemon to end')
    }
  )
})
