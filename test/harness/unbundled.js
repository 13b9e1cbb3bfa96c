// Has a spawned daemon run from its single modules instead of its bundle, in which nobody can change
// anything. For hooks that change more than what LevelDB and Node do.

import Module from 'node:module'

const { _resolveFilename: resolve } = Module

Module._resolveFilename = function (request, ...rest) {
  return resolve.call(this, request.replace('lib/serve.cjs', 'dist/serve.js'), ...rest)
}
