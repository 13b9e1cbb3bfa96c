// Runs groups of tests on other versions of Node, whose binaries come from the npm package `node`:
//   node test/run-on-node.js 22,24 test/unit test/property

import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const [versions = '', ...groups] = process.argv.slice(2)
const { resolve } = createRequire(import.meta.url)
const vitest = join(dirname(resolve('vitest/package.json')), 'vitest.mjs')

for (const version of versions.split(',')) {
  console.log(`On Node ${version}:`)
  const command = ['--yes', '-p', `node@${version}`, '--', 'node', vitest, 'run', ...groups]
  const { status } = spawnSync('npx', command, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
