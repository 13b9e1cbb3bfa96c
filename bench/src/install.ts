// Installs this package's dependencies, the peers among them, when the lockfile is newer than they.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A peer that cannot be installed is reported missing later, so a failure here is only told. */
export function installPeers(directory: string): void {
  if (isInstalled(directory)) return
  const root = JSON.parse(readFileSync(join(directory, '../package.json'), 'utf8')) as {
    packageManager: string
  }
  const args = ['--yes', root.packageManager, 'install', '--frozen-lockfile']
  console.log(`Installing the peers in ${directory}`)
  try {
    execFileSync('npx', args, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    console.error(`The peers could not be installed: ${(error as Error).message}`)
  }
}

function isInstalled(directory: string): boolean {
  const installed = join(directory, 'node_modules/.modules.yaml')
  if (!existsSync(installed)) return false
  return statSync(installed).mtimeMs >= statSync(join(directory, 'pnpm-lock.yaml')).mtimeMs
}
