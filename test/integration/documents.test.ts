// Runs every code block of the documents, in order, in the folder of a user who has installed the
// packages. What a document shows must work.
//
// `js` is a program of its own, or goes on in the one before it with the word `continue`; `sh` is run by
// bash, and a line that ends with `# until Ctrl-C` is interrupted once its daemon serves. Other
// languages show what is printed, or are not for running.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CodeBlock, readCodeBlocks } from '../harness/code-blocks.js'
import { UserFolder } from '../harness/user-folder.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SHIMS = fileURLToPath(new URL('../harness/shims', import.meta.url))

const DOCUMENTS = [
  'README.md',
  'UPGRADING.md',
  'CONTRIBUTING.md',
  'ARCHITECTURE.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'bench/README.md',
  'packages/client/README.md',
  'packages/daemon/README.md',
  'packages/shared/README.md',
  'packages/shared/PROTOCOL.md'
]

/** Languages of blocks that are not for running. */
const SHOWN = ['', 'text', 'mermaid', 'json', 'ini']

let user: UserFolder
beforeAll(async () => {
  user = await UserFolder.create()
}, 240_000)
afterAll(() => user?.reap())

describe.each(DOCUMENTS)('%s', (document) => {
  const blocks = readCodeBlocks(join(ROOT, document))
  const runnable = blocks.filter(({ language }) => !SHOWN.includes(language))

  it('has code only in languages that are run, or known not to be', () => {
    expect(
      runnable.map(({ language }) => language).filter((name) => !/^(js|sh)$/.test(name))
    ).toEqual([])
  })

  it.runIf(runnable.length > 0)('shows what works', { timeout: 180_000 }, async () => {
    const folder = join(user.path, document.replaceAll('/', '-'))
    mkdirSync(folder)
    let program = ''
    for (const [index, block] of runnable.entries()) {
      if (block.language === 'sh') {
        await runShell(block, folder, `${document}:${block.line}`)
        continue
      }
      program = block.words.includes('continue')
        ? `${program}\n${toModule(block)}`
        : toModule(block)
      // What goes on is run as a whole, once it is whole.
      const next = runnable[index + 1]
      if (next?.language === 'js' && next.words.includes('continue')) continue
      await runProgram(program, folder, `${document}:${block.line}`)
    }
  })
})

/** Of two ways to write it, the one that is partyd's. */
function toModule({ before, text }: CodeBlock): string {
  return `${before}\n${text.replace(/\/\/ before[\s\S]*(?=\/\/ after)/, '')}`
}

async function runProgram(program: string, folder: string, where: string): Promise<void> {
  const isModule = !program.includes('require(')
  const name = join(folder, `program.${isModule ? 'mjs' : 'cjs'}`)
  // require() goes together with await only in an editor's window; here in a function.
  writeFileSync(name, isModule ? program : `(async () => {${program}\n})()`)
  const script = `cd '${folder}' && node '${name}'`
  await expectSuccess(script, where)
}

function runShell({ before, text }: CodeBlock, folder: string, where: string): Promise<void> {
  return expectSuccess(
    `cd '${folder}'\n${before}\n${text.split('\n').map(untilServing).join('\n')}`,
    where
  )
}

/** A daemon in the foreground: starts it, waits until it serves, perhaps in another's place, and interrupts it. */
function untilServing(line: string): string {
  const match = /^(?:npx )?(partyd .*?) *# .*until Ctrl-C/.exec(line)
  if (match === null) return line
  const location = /\S*[./]\S*/.exec(match[1] as string)?.[0]
  return `${match[1]} & daemon=$!
    until partyd status ${location} --json | grep -q foreground; do kill -0 $daemon; sleep 0.1; done
    kill -INT $daemon; wait $daemon`
}

async function expectSuccess(script: string, where: string): Promise<void> {
  const { packageManager, scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const command = user.start('bash', ['-euo', 'pipefail', '-c', script], {
    PATH: [SHIMS, join(user.path, 'node_modules', '.bin'), process.env['PATH']].join(':'),
    PACKAGE_MANAGER: packageManager,
    SCRIPTS: Object.keys(scripts).join(' '),
    MANAGER_LOG: join(user.path, 'manager.log'),
    XDG_CONFIG_HOME: join(user.path, 'config'),
    XDG_STATE_HOME: join(user.path, 'state')
  })
  const { code, stdout, stderr } = await command.finished
  expect(code, `${where}\n${script}\n${stdout}\n${stderr}`).toBe(0)
}
