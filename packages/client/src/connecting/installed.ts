// Other packages, as they are installed for this one, or for a bundle that has taken this one in.

import { createRequire } from 'node:module'

/** Loads and finds packages from here. */
export function createLocalRequire(): NodeJS.Require {
  // A bundle that is CommonJS has no import.meta, whatever its type says.
  return createRequire((import.meta.url as string | undefined) ?? __filename)
}
