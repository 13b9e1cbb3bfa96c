// What a user has: a folder outside the workspace, with the packages in it as they would be published.
// Needs the registry, for their dependencies.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from './command.js'
import { Locations } from './locations.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const PACKAGES = ['shared', 'daemon', 'client'] as const
export type Package = (typeof PACKAGES)[number]

/** How long the longest command of a user may take. */
const RUN_MS = 180_000

export class UserFolder {
  readonly path: string
  /** As `pnpm pack` makes them. */
  readonly tarballs: Readonly<Record<Package, string>>
  readonly #folders: Locations
  readonly #commands: Command[] = []

  private constructor(path: string, tarballs: Record<Package, string>, folders: Locations) {
    this.path = path
    this.tarballs = tarballs
    this.#folders = folders
  }

  /** Packs the packages and installs them with plain npm, which takes some ten seconds. */
  static async create(): Promise<UserFolder> {
    const folders = new Locations()
    const tarballs = await pack(folders.create('tarballs '))
    const folder = new UserFolder(folders.create('user '), tarballs, folders)
    await folder.run('npm', ['init', '-y'])
    await folder.run('npm', ['install', '--no-audit', '--no-fund', ...Object.values(tarballs)])
    return folder
  }

  start(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Command {
    const command = new Command(file, args, {
      cwd: this.path,
      env: { ...userEnvironment(), ...env },
      timeoutMs: RUN_MS
    })
    this.#commands.push(command)
    return command
  }

  /** @returns what a command prints that must succeed. */
  async run(file: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string> {
    return (await this.start(file, args, env).succeeded()).stdout
  }

  /** Ends what is still running. */
  async end(): Promise<void> {
    await Promise.all(this.#commands.splice(0).map((command) => command.end()))
  }

  /** Ends it, and every daemon in the folder, and removes it all. */
  async reap(): Promise<void> {
    await this.end()
    await this.#folders.reap()
  }
}

async function pack(destination: string): Promise<Record<Package, string>> {
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    packageManager: string
  }
  const made: Partial<Record<Package, string>> = {}
  for (const name of PACKAGES) {
    const command = new Command(
      'npx',
      ['--yes', packageManager, 'pack', '--json', '--pack-destination', destination],
      { cwd: join(ROOT, 'packages', name), env: userEnvironment(), timeoutMs: 60_000 }
    )
    const { stdout } = await command.succeeded()
    made[name] = (JSON.parse(stdout) as { filename: string }).filename
  }
  return made as Record<Package, string>
}

/** A shell's environment: without what npm, pnpm and vitest add for the programs they start. */
function userEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(npm_(?!config_registry$).*|NODE_PATH|NODE_OPTIONS|NODE_ENV|INIT_CWD|VITEST.*)$/
  const theirs = Object.entries(process.env).filter(([name]) => !ours.test(name))
  return {
    ...Object.fromEntries(theirs),
    NODE_EXTRA_CA_CERTS: process.env['PARTYD_TEST_CA_CERTS']
  }
}
