// The process in which an adapter's `host` runs. Started by startHost(); ends on SIGTERM.

import { writeSync } from 'node:fs'
import { peerNamed } from '../peers/all.js'
import type { ServeOptions } from '../peers/peer.js'

const [name = '', directory = '', options = '{}'] = process.argv.slice(2)
const peer = peerNamed(name)
if (peer.host === undefined) throw new Error(`The peer '${name}' hosts nothing`)
const stop = await peer.host(directory, JSON.parse(options) as ServeOptions)
process.once('SIGTERM', () => {
  void stop().finally(() => process.exit())
})
// Whoever started this process may end without a word; it holds the other end.
process.stdin.once('end', () => process.exit()).resume()
writeSync(1, 'ready\n')
