// I6: the daemon's process opens no file of a location but its own, for closing a descriptor of LOCK
// would drop the lock. Whoever needs another one has to name it here, and think. A command is a process
// of its own, but for `serve`: the others may open what they like, except a LOCK.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const PACKAGES = fileURLToPath(new URL('../../packages', import.meta.url))

/** What opens files, by the source file that may; the rest of `node:fs` does not. */
const ALLOWED: Record<string, string[]> = {
  // partyd.log, /proc/net/unix, partyd.hold, /proc/locks, package.json, partyd.json, partyd.exit.json,
  // partyd.token.
  // /dev/null.
  'daemon/src/end/lost-terminal.ts': ['openSync'],
  'daemon/src/service/listen-fds.ts': ['readFileSync'],
  'shared/src/hold.ts': ['readFileSync'],
  'shared/src/lock-holder.ts': ['readFileSync'],
  'daemon/src/package-version.ts': ['readFileSync'],
  'shared/src/rendezvous.ts': ['readFileSync'],
  'shared/src/token.ts': ['openSync'],
  'shared/src/exit-record.ts': ['readFileSync'],
  // All of these, to write them.
  'shared/src/own-file.ts': ['openSync', 'writeFileSync']
}

/** The commands that say LOCK, which they only look at or compare, and by what they open other files. */
const NAMING: Record<string, string[]> = {
  // partyd.failed.json.
  'daemon/src/commands/diagnosis/facts.ts': ['readFileSync'],
  // /proc.
  'daemon/src/commands/process/process-table.ts': ['readFileSync']
}

const OPENS = /^(open|cp|copyFile|readFile|writeFile|appendFile|truncate|create|watch|promises)/

function openers(source: string): string[] {
  const imports = source.matchAll(/^import ([^'"]*?) from 'node:fs(\/promises)?'/gm)
  return [...imports].flatMap(([, names = '', promises]) => {
    // All of it under one name, or as promises: then nobody can tell.
    if (!names.startsWith('{') || promises !== undefined) return [names]
    const list = names.slice(1, -1).split(',')
    return list.map((name) => name.trim()).filter((name) => OPENS.test(name))
  })
}

/** Of commands, the one that is a daemon. */
const SERVE = 'daemon/src/commands/process/serve.ts'

function isOtherCommand(file: string): boolean {
  return file.startsWith('daemon/src/commands/') && file !== SERVE
}

function sourceFiles(): string[] {
  return ['daemon/src', 'shared/src'].flatMap((root) =>
    (readdirSync(join(PACKAGES, root), { recursive: true }) as string[])
      .filter((path) => path.endsWith('.ts'))
      .map((path) => `${root}/${path.replaceAll('\\', '/')}`)
  )
}

function read(file: string): string {
  return readFileSync(join(PACKAGES, file), 'utf8')
}

/** The files that one loads, itself included, at once or later. */
function loadedBy(file: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(file)) return found
  found.add(file)
  for (const [, path = ''] of read(file).matchAll(/(?:from |import\()'(\.[^']*)\.js'/g)) {
    const loaded = resolve('/', dirname(file), `${path}.ts`).slice(1)
    loadedBy(loaded, found)
  }
  return found
}

it('the daemon opens no file but those it is allowed to', () => {
  const found: Record<string, string[]> = {}
  for (const file of sourceFiles().filter((path) => !isOtherCommand(path))) {
    const source = read(file)
    expect(source, file).not.toMatch(/(require|import)\(['"](node:)?fs/)
    const opening = openers(source)
    if (opening.length > 0) found[file] = opening.sort()
  }
  expect(found).toEqual(ALLOWED)
})

it('the daemon loads no command, and no command but a daemon opens a LOCK', () => {
  const daemon = loadedBy('daemon/src/daemon.ts')
  expect(daemon).toContain('daemon/src/store/database.ts')
  expect([...daemon].filter((file) => file.startsWith('daemon/src/commands/'))).toEqual([])
  const served = [...loadedBy(SERVE)].filter(isOtherCommand)
  expect(served.flatMap((file) => openers(read(file)))).toEqual([])
  const naming = sourceFiles().filter(
    (file) => isOtherCommand(file) && /['"/`]LOCK['"`]/.test(read(file))
  )
  expect(Object.fromEntries(naming.map((file) => [file, openers(read(file))]))).toEqual(NAMING)
})
