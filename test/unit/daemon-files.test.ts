// I6: the daemon's process opens no file of a location but its own, for closing a descriptor of LOCK
// would drop the lock. Whoever needs another one has to name it here, and think.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const PACKAGES = fileURLToPath(new URL('../../packages', import.meta.url))

/** What opens files, by the source file that may; the rest of `node:fs` does not. */
const ALLOWED: Record<string, string[]> = {
  // Commands, which run in processes of their own: partyd.log, /proc, partyd.failed.json, a unit.
  'daemon/src/commands/log-reader.ts': ['openSync'],
  'daemon/src/commands/process-table.ts': ['readFileSync'],
  'daemon/src/diagnosis/facts.ts': ['readFileSync'],
  // partyd.log, /proc/net/unix, partyd.hold, /proc/locks, package.json, partyd.json, partyd.exit.json,
  // partyd.token.
  'daemon/src/log-file.ts': ['openSync'],
  'daemon/src/service/listen-fds.ts': ['readFileSync'],
  'daemon/src/service/service-manager.ts': ['writeFileSync'],
  'shared/src/hold.ts': ['readFileSync', 'writeFileSync'],
  'shared/src/lock-holder.ts': ['readFileSync'],
  'daemon/src/package-version.ts': ['readFileSync'],
  'shared/src/rendezvous.ts': ['readFileSync', 'writeFileSync'],
  'shared/src/token.ts': ['openSync', 'writeFileSync'],
  'shared/src/exit-record.ts': ['readFileSync', 'writeFileSync']
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

it('the daemon opens no file but those it is allowed to', () => {
  const found: Record<string, string[]> = {}
  for (const root of ['daemon/src', 'shared/src']) {
    const names = readdirSync(join(PACKAGES, root), { recursive: true }) as string[]
    for (const name of names.filter((path) => path.endsWith('.ts'))) {
      const source = readFileSync(join(PACKAGES, root, name), 'utf8')
      expect(source, name).not.toMatch(/(require|import)\(['"](node:)?fs/)
      const opening = openers(source)
      if (opening.length > 0) found[`${root}/${name}`] = opening.sort()
    }
  }
  expect(found).toEqual(ALLOWED)
})
