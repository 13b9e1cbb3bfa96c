// Where the peers' packages come from: this package's own dependencies and, so that a part of the
// benchmark runs without installing them, what the daemon itself depends on. Loaded by name and
// typed by the adapters, because a peer may be missing.

import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const OWN = createRequire(new URL('../../package.json', import.meta.url))
const DAEMON = createRequire(new URL('../../../packages/daemon/package.json', import.meta.url))

/** @throws Error when the package is not installed. */
export function resolvePackage(name: string): string {
  for (const require of [OWN, DAEMON]) {
    try {
      return require.resolve(name)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
  throw new Error(`the package '${name}' is not installed`)
}

/** Loads a package; `T` is the part of it that the adapter uses. */
export async function loadPackage<T>(name: string): Promise<T> {
  const module = (await import(pathToFileURL(resolvePackage(name)).href)) as { default?: T }
  // The exports of a CommonJS package, whether or not Node found their names.
  return { ...module.default, ...module } as T
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED'
}
