// Services under systemd: where units lie, and what systemctl is told.

import { existsSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type ServiceDefinition, serviceName } from './service-definition.js'
import {
  type Ran,
  run,
  runOrFail,
  type ServiceFile,
  type ServiceManager,
  type ServiceState,
  writeServiceFile
} from './service-manager.js'
import { systemdService, systemdSocket } from './systemd.js'

const STATES: Readonly<Record<string, ServiceState>> = {
  active: 'running',
  reloading: 'running',
  activating: 'starting',
  deactivating: 'stopped',
  inactive: 'stopped',
  failed: 'failed'
}

export class SystemdManager implements ServiceManager {
  readonly #scope: ServiceDefinition['scope']

  constructor(scope: ServiceDefinition['scope']) {
    this.#scope = scope
  }

  describe(definition: ServiceDefinition, { socket }: { socket: boolean }): ServiceFile[] {
    const { location } = definition
    const service = { path: this.#pathOf(location), text: systemdService(definition, { socket }) }
    if (!socket) return [service]
    const path = this.#path(`${serviceName(location)}.socket`)
    return [service, { path, text: systemdSocket(definition) }]
  }

  async install(definition: ServiceDefinition): Promise<void> {
    const name = unitOf(serviceName(definition.location))
    // Before there is anything to undo.
    await this.#systemctl('show-environment')
    for (const file of this.describe(definition, { socket: false })) writeServiceFile(file)
    await this.#systemctl('daemon-reload')
    await this.#systemctl('enable', name)
    // Again, if it runs with other options. Not waited for: it may wait for the location itself.
    await this.#systemctl('--no-block', 'restart', name)
  }

  async uninstall(name: string): Promise<boolean> {
    const path = this.#path(unitOf(name))
    if (!existsSync(path)) return false
    await this.#systemctl('disable', '--now', unitOf(name))
    rmSync(path, { force: true })
    await this.#systemctl('daemon-reload')
    return true
  }

  async state(name: string): Promise<ServiceState> {
    if (!existsSync(this.#path(unitOf(name)))) return 'not-installed'
    // It says the state on standard output whatever its exit code.
    const ran = await run('systemctl', [...this.#flags, 'is-active', unitOf(name)])
    const state = STATES[ran.stdout.trim()]
    if (state !== undefined) return state
    await this.#systemctl('show-environment')
    return 'stopped'
  }

  logCommand(name: string): string {
    return `journalctl ${[...this.#flags, '-u', unitOf(name)].join(' ')}`
  }

  advice({ scope }: ServiceDefinition): string | undefined {
    return scope === 'system'
      ? undefined
      : 'It runs while you are logged in. To have it run from boot on: loginctl enable-linger'
  }

  get #flags(): string[] {
    return this.#scope === 'user' ? ['--user'] : []
  }

  #pathOf(location: string): string {
    return this.#path(unitOf(serviceName(location)))
  }

  #path(unit: string): string {
    if (this.#scope === 'system') return join('/etc/systemd/system', unit)
    const config = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config')
    return join(config, 'systemd', 'user', unit)
  }

  #systemctl(...args: string[]): Promise<void> {
    return runOrFail('systemctl', [...this.#flags, ...args], (ran) => this.#explain(ran))
  }

  #explain({ stderr }: Ran): string {
    if (/not been booted with systemd/.test(stderr)) {
      return 'This machine does not run systemd. See what would be installed, to adapt it: partyd service print <location>.'
    }
    if (/connect to .*bus|XDG_RUNTIME_DIR/i.test(stderr) && this.#scope === 'user') {
      return "The user's own service manager cannot be reached. Log in as that user, not by su or sudo; or allow it without a login: loginctl enable-linger, and XDG_RUNTIME_DIR=/run/user/$(id -u). Or install a service of the machine: --system."
    }
    if (/access denied|authentication|permission/i.test(stderr)) return 'Use sudo.'
    return 'Ask systemd: systemctl status, journalctl -xe.'
  }
}

function unitOf(name: string): string {
  return `${name}.service`
}
