// What a user does: installs the packages, as they would be published, with plain npm in an empty
// folder, and runs the daemon and the SDK from there. Needs the registry, for their dependencies.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'
import { build } from 'esbuild'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Command } from '../harness/command.js'
import { findDaemons, Locations } from '../harness/locations.js'
import { PACKAGES, UserFolder } from '../harness/user-folder.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The client's own package, unpacked: what it has beyond abstract-level makes it more than the 100 kB first planned. */
const CLIENT_BYTES_MAX = 150_000

const folders = new Locations()
const locations = new Locations()
let user: UserFolder

beforeAll(async () => {
  user = await UserFolder.create()
}, 240_000)

afterEach(async () => {
  await user.end()
  await locations.reap()
})
afterAll(async () => {
  await user?.reap()
  await folders.reap()
})

/** Runs a file of the user's and returns what it prints; it must print nothing to standard error. */
async function runFile(name: string, source: string, ...args: string[]): Promise<string> {
  writeFileSync(join(user.path, name), source)
  const { stdout, stderr } = await user.start(process.execPath, [name, ...args]).succeeded()
  expect(stderr).toBe('')
  return stdout
}

describe('the packages', () => {
  it.each(PACKAGES)('%s holds what it needs and nothing else', async (name) => {
    const directory = folders.create(`unpacked ${name} `)
    await user.run('tar', ['-xzf', user.tarballs[name], '-C', directory])
    const files = readdirSync(join(directory, 'package'), { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(directory, 'package', path)).isFile())
      .sort()
    const measure = (paths: readonly string[]): number =>
      paths.reduce((sum, path) => sum + statSync(join(directory, 'package', path)).size, 0)
    const bytes = measure(files)
    console.log(
      `${name}: ${files.length} files, ${bytes} bytes unpacked, ${statSync(user.tarballs[name]).size} packed`
    )
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
    const allowed =
      /^(LICENSE|README\.md|PROTOCOL\.md|package\.json|bin\/partyd\.cjs|lib\/(.*\.c?js|LICENSES\.txt)|dist\/.*\.(js|d\.ts))$/
    expect(files.filter((path) => !allowed.test(path))).toEqual([])
    expect(readFileSync(join(directory, 'package', 'package.json'), 'utf8')).not.toContain(
      'workspace:'
    )
    if (name === 'client') expect(bytes).toBeLessThanOrEqual(CLIENT_BYTES_MAX)
  })

  it('tell the licences of what they took in', async () => {
    const directory = folders.create('licences')
    await user.run('tar', ['-xzf', user.tarballs.daemon, '-C', directory])
    const licences = readFileSync(join(directory, 'package', 'lib', 'LICENSES.txt'), 'utf8')
    const names = licences.match(/^[\w-]+ \d+\.\d+\.\d+$/gm)?.map((line) => line.split(' ')[0])
    expect(names).toEqual([
      'abstract-level',
      'classic-level',
      'level-supports',
      'level-transcoder',
      'maybe-combine-errors',
      'module-error'
    ])
    expect(licences.match(/Permission is hereby granted/g)).toHaveLength(names?.length ?? 0)
  })

  it.each(PACKAGES)('%s passes publint', async (name) => {
    const bytes = readFileSync(user.tarballs[name])
    const tarball = new Uint8Array(bytes).buffer
    const { messages, pkg } = await publint({ pack: { tarball }, strict: true })
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([])
  })

  it('do not come from the workspace once installed', () => {
    for (const name of ['@partyd/client', '@partyd/shared', 'partyd', 'classic-level']) {
      expect(existsSync(join(user.path, 'node_modules', name, 'package.json'))).toBe(true)
    }
    expect(existsSync(join(user.path, 'node_modules', 'typescript'))).toBe(false)
  })
})

/** Resolves when the daemon says that it serves. */
function serving(command: Command): Promise<void> {
  return command.printed((lines) => lines.some((line) => line.includes('"msg":"serving ')))
}

describe('the daemon', () => {
  it('runs in the foreground by npx until Ctrl-C', async () => {
    const command = user.start('npx', ['partyd', './data'])
    await serving(command)
    const location = join(user.path, 'data')
    expect(findDaemons(location)).toHaveLength(1)
    const source = `import { PartyLevel } from '@partyd/client'
      const db = new PartyLevel('./data', { autospawn: false })
      await db.put('key', 'value')
      console.log(await db.get('key'))`
    expect(await runFile('by-hand.mjs', source)).toBe('value\n')

    command.signalGroup('SIGINT')
    const { code, signal, stdout, stderr } = await command.finished
    // npx runs it in a shell, and some shells end by the signal that they have seen. The daemon does not.
    expect([0, 'SIGINT']).toContain(code ?? signal)
    expect(stdout).toContain('"msg":"stopped"')
    expect(stderr.replace(/^npm warn .*\n/gm, '')).toBe('')
    expect(findDaemons(location)).toEqual([])
    expect(readdirSync(location).filter((name) => /partyd|^\.p/.test(name))).toEqual([])
  })

  it('runs as the installed command and ends with 0 on SIGINT', async () => {
    const location = locations.create()
    const command = user.start(join(user.path, 'node_modules', '.bin', 'partyd'), [location])
    await serving(command)
    command.child.kill('SIGINT')
    expect(await command.finished).toMatchObject({ code: 0, signal: null, stderr: '' })
  })

  it('tells its version', async () => {
    const path = join(user.path, 'node_modules', 'partyd', 'package.json')
    const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string }
    expect(await user.run('npx', ['partyd', '--version'])).toBe(`${version}\n`)
  })
})

describe('the SDK', () => {
  it('works from an ES module, starts a daemon, and loads no native code', async () => {
    const location = locations.create()
    const source = `import { readFileSync } from 'node:fs'
      import { Level, PartyError, PartyLevel } from '@partyd/client'
      const db = new PartyLevel(process.argv[2], { valueEncoding: 'json' })
      await db.put('key', { n: 1 })
      console.log(await db.get('key'), await db.keys().all(), Level === PartyLevel, typeof PartyError)
      const mapped = readFileSync('/proc/self/maps', 'utf8').match(/\\/\\S*\\.node$/gm)
      const shared = process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node'))
      console.log(mapped, shared)`
    const stdout = await runFile('esm.mjs', source, location)
    expect(stdout).toBe(`{ n: 1 } [ 'key' ] true function\nnull []\n`)
    expectInstalledDaemon(location)
  })

  it('works from CommonJS with require()', async () => {
    const location = locations.create()
    const source = `const { PartyLevel } = require('@partyd/client')
      const db = new PartyLevel(process.argv[2])
      db.put('key', 'value')
        .then(() => db.get('key'))
        .then((value) => console.log(value))`
    expect(await runFile('cjs.cjs', source, location)).toBe('value\n')
    expectInstalledDaemon(location)
  })

  it('gives a stock many-level guest', async () => {
    const location = locations.create()
    const source = `import { connectGuest } from '@partyd/client/many-level'
      const guest = connectGuest(process.argv[2], { valueEncoding: 'json' })
      await guest.put('key', { n: 1 })
      console.log(guest.constructor.name, await guest.get('key'))`
    expect(await runFile('guest.mjs', source, location)).toBe('ManyLevelGuest { n: 1 }\n')
    expectInstalledDaemon(location)
  })

  it('gives the guest to CommonJS too', async () => {
    const location = locations.create()
    const source = `const { connectGuest } = require('@partyd/client/many-level')
      const guest = connectGuest(process.argv[2])
      guest.put('key', 'value').then(() => guest.get('key')).then(console.log)`
    expect(await runFile('guest.cjs', source, location)).toBe('value\n')
  })

  it.each([
    ['require()', 'party.cjs', `const level = require('@partyd/client/level-party')`],
    ['import', 'party.mjs', `import level from '@partyd/client/level-party'`]
  ])("is level-party's function by %s", async (_by, name, line) => {
    const source = `${line}
      const db = level(process.argv[2], { valueEncoding: 'json' })
      db.put('key', { n: 1 }, () => db.get('key', (error, value) => console.log(error, value)))`
    const location = locations.create()
    expect(await runFile(name, source, location)).toBe('null { n: 1 }\n')
    expectInstalledDaemon(location)
  })

  it('shares the database with a client of the workspace', async () => {
    const location = locations.create()
    const db = new PartyLevel(location)
    try {
      await db.put('key', 'value')
      const source = `import { PartyLevel } from '@partyd/client'
        console.log(await new PartyLevel(process.argv[2]).get('key'))`
      expect(await runFile('other.mjs', source, location)).toBe('value\n')
      expect(findDaemons(location)).toHaveLength(1)
    } finally {
      await db.close()
    }
  })

  it('runs the examples as they are', async () => {
    const source = readFileSync(join(ROOT, 'examples', 'put.js'), 'utf8')
    mkdirSync(join(user.path, 'example'))
    writeFileSync(join(user.path, 'example', 'put.mjs'), source)
    const location = locations.create()
    const getter = readFileSync(join(ROOT, 'examples', 'get.js'), 'utf8')
    writeFileSync(join(user.path, 'example', 'get.mjs'), getter)
    user.start(process.execPath, ['example/put.mjs', location])
    const command = user.start(process.execPath, ['example/get.mjs', location])
    await command.printed((lines) => lines.some((line) => /^a= \d+$/.test(line)))
    expect(command.stderr).toBe('')
  })
})

describe.each(['esm', 'cjs'] as const)('a program that is bundled with the SDK (%s)', (format) => {
  const PROGRAM = `import { PartyLevel } from '@partyd/client'
    async function run() {
      const [, , location, entry] = process.argv
      const db = new PartyLevel(location, { spawn: { entry } })
      await db.put('key', 'value')
      console.log(await db.get('key'))
    }
    run().catch((error) => console.log(error.cause?.code, error.cause?.message))`

  /** What esbuild's users put before a bundle of modules with CommonJS in it, such as abstract-level. */
  const js =
    format === 'esm'
      ? "import { createRequire as from } from 'node:module'; const require = from(import.meta.url)"
      : ''

  /** Bundles it from the user's folder to another file. */
  async function bundle(outfile: string): Promise<string> {
    const stdin = { contents: PROGRAM, resolveDir: user.path }
    const banner = { js }
    await build({
      stdin,
      outfile,
      bundle: true,
      platform: 'node',
      format,
      banner,
      logLevel: 'error'
    })
    return outfile
  }

  const name = `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`

  it('starts the daemon that is installed beside it', async () => {
    const location = locations.create()
    const program = await bundle(join(user.path, name))
    expect(await user.run(process.execPath, [program, location])).toBe('value\n')
    expectInstalledDaemon(location)
  })

  it('says what it lacks where it stands alone', async () => {
    const program = await bundle(join(folders.create('alone '), name))
    const stdout = await user.run(process.execPath, [program, locations.create()])
    expect(stdout).toMatch(/^PARTYD_NOT_RUNNING The package partyd.*is not installed in .*alone/)
    expect(stdout).toContain("'spawn.entry'")
  })

  it('starts the daemon that it is told of', async () => {
    const location = locations.create()
    const program = await bundle(join(folders.create('alone '), name))
    const entry = 'node_modules/partyd/bin/partyd.cjs'
    expect(await user.run(process.execPath, [program, location, entry])).toBe('value\n')
    expectInstalledDaemon(location)
  })
})

/** The one that came with the packages, not one that happens to be near. */
function expectInstalledDaemon(location: string): void {
  const [pid] = findDaemons(location)
  expect(pid).toBeDefined()
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
  expect(maps).toContain(join(user.path, 'node_modules', 'classic-level'))
}
