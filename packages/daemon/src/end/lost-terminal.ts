// Ending without a terminal that was there: Node puts its terminal back in order at its very end, and
// aborts when that has hung up.

import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'

/** Puts nothing in the place of standard input and output. Node leaves what is no longer the same alone. */
export function leaveTerminal(): void {
  for (const fd of [0, 1, 2]) {
    closeSync(fd)
    openSync(devNull, 'r+') // The lowest number that is free, which is this one's.
  }
}
