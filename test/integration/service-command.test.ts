// `partyd service …` beside a stand-in for systemctl and launchctl: it writes down what it is told,
// and starts what the unit says.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { describe, expect, it } from 'vitest'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

/** A user's home, with a service manager on the PATH. */
class Home {
  readonly directory = locations.create()
  readonly location = join(this.directory, 'my data')
  readonly units = join(this.directory, '.config', 'systemd', 'user')
  readonly agents = join(this.directory, 'Library', 'LaunchAgents')
  readonly #bin = join(this.directory, 'bin')
  readonly #calls = join(this.directory, 'calls')

  constructor() {
    mkdirSync(this.#bin)
    symlinkSync(process.execPath, join(this.#bin, 'node'))
  }

  /** @param script for the shell; what it is told is written down before. */
  provide(program: string, script: string): void {
    const text = `#!/bin/sh\necho ${program} "$@" >> '${this.#calls}'\n${script}\n`
    writeFileSync(join(this.#bin, program), text, { mode: 0o755 })
  }

  get calls(): string[] {
    if (!existsSync(this.#calls)) return []
    return readFileSync(this.#calls, 'utf8').trimEnd().split('\n')
  }

  /** Runs `partyd` in that home. */
  async run(
    args: readonly string[],
    { PATH = `${this.#bin}:${process.env['PATH']}` } = {}
  ): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const env = { HOME: this.directory, XDG_CONFIG_HOME: undefined, PATH }
    const command = commands.start(args, { env })
    const { code } = await command.ended
    return { code, stdout: command.stdout, stderr: command.stderr }
  }

  get bin(): string {
    return this.#bin
  }
}

/** `restart` starts what the unit says, without the manager's own ways of quoting. */
function startingSystemctl(home: Home): string {
  return `case "$*" in
    *restart*) eval "exec $(sed -n 's/^ExecStart=//p' '${home.units}'/*.service)" > '${home.directory}/log' 2>&1 & ;;
    *is-active*) if [ -e '${home.location}/partyd.json' ]; then echo active; else echo activating; exit 3; fi ;;
  esac`
}

const UNIT = /^partyd-my-data-[0-9a-f]{8}\.service$/

describe('partyd service install', () => {
  it('writes, enables and starts a unit; status tells, and uninstall undoes it', async () => {
    const home = new Home()
    const { location } = home
    home.provide('systemctl', startingSystemctl(home))
    const installed = await home.run(['service', 'install', location, '--sync', '--json'])
    expect(installed).toMatchObject({ code: 0, stderr: '' })
    const [unit = ''] = readdirSync(home.units)
    expect(unit).toMatch(UNIT)
    const name = unit.replace('.service', '')
    expect(JSON.parse(installed.stdout)).toEqual({
      schema: 1,
      service: name,
      state: 'running',
      location,
      path: join(home.units, unit)
    })
    expect(home.calls.filter((call) => !call.includes('is-active'))).toEqual([
      'systemctl --user show-environment',
      'systemctl --user daemon-reload',
      `systemctl --user enable ${unit}`,
      `systemctl --user --no-block restart ${unit}`
    ])
    const db = clients.open(location, { autospawn: false })
    await db.put('a', '1')
    expect(await db.info()).toMatchObject({ mode: 'service', options: { sync: true } })

    const told = await home.run(['service', 'status', location, '--json'])
    const { pid } = await db.info()
    expect({ ...told, stdout: JSON.parse(told.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: {
        schema: 1,
        service: name,
        state: 'running',
        location,
        daemon: { status: 'running', pid, mode: 'service' }
      }
    })

    await db.close()
    const removed = await home.run(['service', 'uninstall', location])
    expect(removed).toMatchObject({ code: 0, stdout: `${name} is removed\n` })
    expect(home.calls.slice(-2)).toEqual([
      `systemctl --user disable --now ${unit}`,
      'systemctl --user daemon-reload'
    ])
    expect(readdirSync(home.units)).toEqual([])
    await PartyLevel.stop(location)
    // The database stays.
    const later = clients.open(location)
    expect(await later.get('a')).toBe('1')
  })

  it('says so when the service does not start', async () => {
    const home = new Home()
    home.provide('systemctl', 'case "$*" in *is-active*) echo failed; exit 3;; esac')
    const { code, stderr } = await home.run(['service', 'install', home.location])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^PARTYD_SERVICE: partyd-my-data-\w+ is installed, but did not start\n/)
    expect(stderr).toMatch(/journalctl --user -u partyd-my-data-\w+\.service/)
    const { code: status, stdout } = await home.run(['service', 'status', home.location])
    expect(status).toBe(3)
    expect(stdout).toMatch(/state +failed/)
  })

  it.each([
    [
      'the user’s manager cannot be reached',
      'Failed to connect to bus: No medium found',
      'loginctl enable-linger'
    ],
    [
      'the machine runs another one',
      'System has not been booted with systemd as init system (PID 1). Can’t operate.',
      'partyd service print'
    ]
  ])('writes nothing when %s', async (_, message, hint) => {
    const home = new Home()
    home.provide('systemctl', `echo '${message}' >&2; exit 1`)
    const { code, stderr } = await home.run(['service', 'install', home.location])
    expect(code).toBe(1)
    expect(stderr).toContain(`PARTYD_SERVICE: systemctl --user show-environment: ${message}`)
    expect(stderr).toContain(hint)
    expect(existsSync(home.units)).toBe(false)
  })

  it('writes nothing when there is no systemctl', async () => {
    const home = new Home()
    const { code, stderr } = await home.run(['service', 'install', home.location], {
      PATH: home.bin
    })
    expect(code).toBe(1)
    expect(stderr).toContain('There is no program systemctl on the PATH')
    expect(stderr).toContain('partyd service print')
    expect(existsSync(home.units)).toBe(false)
  })

  it('under launchd loads an agent, and unloads it', async () => {
    const home = new Home()
    home.provide(
      'launchctl',
      'case "$1" in print) echo "\tstate = running";; bootout) exit 3;; esac'
    )
    const { location } = home
    const installed = await home.run(['service', 'install', location, '--launchd', '--json'])
    expect(installed.code).toBe(0)
    const [list = ''] = readdirSync(home.agents)
    const name = list.replace('.plist', '')
    expect(JSON.parse(installed.stdout)).toMatchObject({ service: name, state: 'running' })
    const domain = `gui/${process.getuid?.()}`
    expect(home.calls).toEqual([
      `launchctl bootout ${domain}/${name}`,
      `launchctl enable ${domain}/${name}`,
      `launchctl bootstrap ${domain} ${join(home.agents, list)}`,
      `launchctl print ${domain}/${name}`
    ])
    expect(existsSync(join(home.directory, 'Library', 'Logs', 'partyd'))).toBe(true)
    await home.run(['service', 'uninstall', location, '--launchd'])
    expect(readdirSync(home.agents)).toEqual([])
  })

  it.each([
    ['a user for a service of a user', ['--run-as', 'alice'], '--run-as needs --system'],
    ['a wrong option', ['--cache-size', 'much'], '--cache-size takes a whole number']
  ])('refuses %s', async (_, args, message) => {
    const home = new Home()
    home.provide('systemctl', '')
    const { code, stderr } = await home.run(['service', 'install', home.location, ...args])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(home.calls).toEqual([])
  })
})

describe('partyd service uninstall', () => {
  it('has nothing to do where there is none', async () => {
    const home = new Home()
    home.provide('systemctl', '')
    const { code, stdout } = await home.run(['service', 'uninstall', home.location, '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ removed: false })
    expect(home.calls).toEqual([])
  })
})

describe('partyd service print', () => {
  it('prints a unit and changes nothing', async () => {
    const home = new Home()
    const { code, stdout } = await home.run(['service', 'print', home.location, '--no-compression'])
    expect(code).toBe(0)
    expect(stdout).toContain(` serve "${home.location}" --service --no-compression\n`)
    expect(readdirSync(home.directory)).toEqual(['bin'])
  })

  it('prints both units for a socket, with their paths', async () => {
    const home = new Home()
    mkdirSync(home.location)
    const args = ['service', 'print', home.location, '--socket', '--json']
    const { stdout } = await home.run([...args, '--system', '--run-as', 'alice'])
    const { files } = JSON.parse(stdout) as { files: { path: string; text: string }[] }
    expect(files.map(({ path }) => path)).toEqual([
      expect.stringMatching(/^\/etc\/systemd\/system\/partyd-my-data-\w+\.service$/),
      expect.stringMatching(/^\/etc\/systemd\/system\/partyd-my-data-\w+\.socket$/)
    ])
    expect(files[0]?.text).toContain('\nUser=alice\n')
    expect(files[1]?.text).toContain(`\nListenStream=${home.location}/partyd.sock\n`)
  })

  it('says who a service of the machine runs as: who owns the location, if nobody is named', async () => {
    const home = new Home()
    const args = ['service', 'print', home.location, '--system']
    const missing = await home.run(args)
    expect(missing.code).toBe(2)
    expect(missing.stderr).toContain('--run-as <user>')
    mkdirSync(home.location)
    expect((await home.run(args)).stdout).toContain(`\nUser=${process.getuid?.()}\n`)
  })

  it('refuses a socket for launchd', async () => {
    const home = new Home()
    const { code, stderr } = await home.run([
      ...['service', 'print', home.location],
      ...['--launchd', '--socket']
    ])
    expect(code).toBe(2)
    expect(stderr).toContain('there is no --socket')
  })
})
