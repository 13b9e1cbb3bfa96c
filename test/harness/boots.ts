// Counts the daemons that clients start, also those that find another one serving and leave: each
// leaves a line in a file before it does anything else.

import { existsSync, readFileSync } from 'node:fs'

/** Arguments for `spawn.args` that make every daemon add its pid to the file. */
export function countBoots(file: string): string[] {
  const source = `import { appendFileSync } from 'node:fs'
appendFileSync(${JSON.stringify(file)}, process.pid + '\\n')`
  return ['--import', `data:text/javascript,${encodeURIComponent(source)}`]
}

export function readBoots(file: string): number[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').trim().split('\n').map(Number)
}
