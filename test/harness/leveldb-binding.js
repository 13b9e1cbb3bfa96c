// LevelDB as a daemon calls it, for the hooks that are preloaded into one: classic-level's functions
// of native code, which the daemon's bundle takes from the installed package.

import { createRequire } from 'node:module'

/** To be changed in place. */
export const binding = createRequire(process.argv[1])('classic-level/binding.js')

/**
 * Tells of every batch that is written.
 * @param onWrite called in place of the writing, with the keys, a function that writes, and whether it
 * waits for the disk.
 */
export function interceptBatches(onWrite) {
  const { batch_put: put, batch_del: del, batch_write: write } = binding
  const keysOf = new WeakMap()

  function noteKey(batch, key) {
    const keys = keysOf.get(batch)
    if (keys === undefined) keysOf.set(batch, [String(key)])
    else keys.push(String(key))
  }

  binding.batch_put = (batch, key, value) => {
    noteKey(batch, key)
    return put(batch, key, value)
  }
  binding.batch_del = (batch, key) => {
    noteKey(batch, key)
    return del(batch, key)
  }
  binding.batch_write = (batch, options) => {
    return onWrite(keysOf.get(batch) ?? [], () => write(batch, options), options?.sync === true)
  }
}
