// Services under launchd: where property lists lie, and what launchctl is told.

import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { launchdPropertyList } from './launchd.js'
import { type ServiceDefinition, serviceName } from './service-definition.js'
import {
  run,
  runOrFail,
  type ServiceFile,
  type ServiceManager,
  type ServiceState,
  writeServiceFile
} from './service-manager.js'

export class LaunchdManager implements ServiceManager {
  readonly #scope: ServiceDefinition['scope']

  constructor(scope: ServiceDefinition['scope']) {
    this.#scope = scope
  }

  /** launchd hands over its sockets only to native code, so there is none. */
  describe(definition: ServiceDefinition): ServiceFile[] {
    const path = this.#path(serviceName(definition.location))
    return [{ path, text: launchdPropertyList(definition, this.#logs) }]
  }

  async install(definition: ServiceDefinition): Promise<void> {
    const name = serviceName(definition.location)
    const [file] = this.describe(definition) as [ServiceFile]
    if (this.#scope === 'user') mkdirSync(this.#logs, { recursive: true })
    writeServiceFile(file)
    // It may be there from before; if not, that is an error of no interest.
    await run('launchctl', ['bootout', this.#target(name)])
    await this.#launchctl('enable', this.#target(name))
    await this.#launchctl('bootstrap', this.#domain, file.path)
  }

  async uninstall(name: string): Promise<boolean> {
    const path = this.#path(name)
    if (!existsSync(path)) return false
    await run('launchctl', ['bootout', this.#target(name)])
    rmSync(path, { force: true })
    return true
  }

  async state(name: string): Promise<ServiceState> {
    if (!existsSync(this.#path(name))) return 'not-installed'
    const { exitCode, stdout } = await run('launchctl', ['print', this.#target(name)])
    if (exitCode !== 0) return 'stopped'
    if (/^\s*state = running$/m.test(stdout)) return 'running'
    return /^\s*last exit code = [1-9]/m.test(stdout) ? 'failed' : 'stopped'
  }

  logCommand(name: string): string {
    return `tail ${join(this.#logs, `${name}.log`)}`
  }

  advice({ scope }: ServiceDefinition): string | undefined {
    return scope === 'system'
      ? undefined
      : 'It runs while you are logged in. To have it run from boot on, install it with --system.'
  }

  get #logs(): string {
    return this.#scope === 'user' ? join(homedir(), 'Library', 'Logs', 'partyd') : '/Library/Logs'
  }

  get #domain(): string {
    return this.#scope === 'user' ? `gui/${process.getuid?.()}` : 'system'
  }

  #target(name: string): string {
    return `${this.#domain}/${name}`
  }

  #path(name: string): string {
    return this.#scope === 'user'
      ? join(homedir(), 'Library', 'LaunchAgents', `${name}.plist`)
      : join('/Library/LaunchDaemons', `${name}.plist`)
  }

  #launchctl(...args: string[]): Promise<void> {
    return runOrFail('launchctl', args, () =>
      this.#scope === 'user'
        ? 'Log in at the screen as that user, or install a service of the machine: sudo partyd service install --system …'
        : 'Use sudo.'
    )
  }
}
