// Whether the package that this process was loaded from is still there. After an update the next
// daemon shall be the new one, without anybody having to stop this one.

import { type BigIntStats, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PATH = fileURLToPath(new URL('../package.json', import.meta.url))

export class OwnPackage {
  readonly #atStart = look()

  /** Package managers write a new file; some take the whole directory away. */
  get isReplaced(): boolean {
    const now = look()
    return now?.ino !== this.#atStart?.ino || now?.mtimeNs !== this.#atStart?.mtimeNs
  }
}

/** @returns undefined where there is no such file. */
function look(): BigIntStats | undefined {
  return statSync(PATH, { bigint: true, throwIfNoEntry: false })
}
