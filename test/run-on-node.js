// Runs groups of tests on other versions of Node, side by side. Their binaries come from the npm
// package `node`:
//   node test/run-on-node.js 22,24 test/unit test/property

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'

const [list = '', ...groups] = process.argv.slice(2)
const versions = list.split(',')
const { resolve } = createRequire(import.meta.url)
const vitest = join(dirname(resolve('vitest/package.json')), 'vitest.mjs')
const directory = mkdtempSync(join(tmpdir(), 'partyd-node-'))

try {
  // Not side by side: npm would install into one cache at the same time.
  const nodes = versions.map((version) => [version, copyNode(version)])
  const codes = await Promise.all(nodes.map(([version, node]) => runGroups(version, node)))
  process.exitCode = codes.find((code) => code !== 0) ?? 0
} finally {
  rmSync(directory, { recursive: true })
}

/** A copy, because npm's cache is closed to other users, and some tests run programs as one. */
function copyNode(version) {
  const options = ['--yes', '-p', `node@${version}`, '--', 'node', '--print', 'process.execPath']
  const cached = execFileSync('npx', options, { encoding: 'utf8' }).trim()
  const folder = join(directory, version)
  mkdirSync(folder)
  const node = join(folder, process.platform === 'win32' ? 'node.exe' : 'node')
  copyFileSync(cached, node)
  for (const path of [directory, folder, node]) chmodSync(path, 0o755)
  return node
}

/** @returns the exit code. What several versions print comes when each is done, and not mixed. */
async function runGroups(version, node) {
  const isAlone = versions.length === 1
  if (isAlone) console.log(`On Node ${version}:`)
  const stdio = isAlone ? 'inherit' : ['ignore', 'pipe', 'pipe']
  const child = spawn(node, [vitest, 'run', ...groups], { stdio })
  const ended = once(child, 'exit')
  if (!isAlone) {
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    console.log(`On Node ${version}:\n${out}${err}`)
  }
  const [code] = await ended
  return code ?? 1
}
