// The two programs of the predecessor's page: letter for letter but for what they require, and as
// they are in examples/. Started in any order, and not to be disturbed by the death of the daemon.

import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { Clients } from '../harness/clients.js'
import { Command } from '../harness/command.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { findDaemons, Locations, publishedPid } from '../harness/locations.js'
import { Random } from '../harness/random.js'

const clients = new Clients()
const locations = new Locations()
const commands: Command[] = []
afterEach(async () => {
  await clients.end()
  await Promise.all(commands.splice(0).map((command) => command.end()))
  await locations.reap()
})

const KILLS = 5
/** Each starts the programs in another order, and kills at other moments. */
const TURNS = process.env['PARTYD_TEST_SLOW'] === undefined ? [1] : [1, 2, 3]

const MODULES = fileURLToPath(new URL('../node_modules', import.meta.url))
const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url))

/** Indented and spaced as on the page; the getter there lacks its `})`. */
const PAGE = {
  'get.js': `
    var level = require('@partyd/client/level-party')
    var db = level(__dirname + '/data', { valueEncoding: 'json' })
    setInterval(function () {
      db.get('a', function (err, value) {
        console.log('a=', value)
      })
    }, 250)
`,
  'put.js': `
    var level = require('@partyd/client/level-party')
    var db = level(__dirname + '/data', { valueEncoding: 'json' })
    var n = Math.floor(Math.random() * 100000)
    setInterval(function () {
      db.put('a', n + 1)
    }, 1000)
`
}

type Program = keyof typeof PAGE

/** The programs somewhere on the disk, and the location that they use. */
interface Programs {
  readonly location: string
  start(name: Program): Command
}

function start(path: string, ...args: string[]): Command {
  const command = new Command(process.execPath, [path, ...args], { timeoutMs: 110_000 })
  commands.push(command)
  return command
}

function writePage(): Programs {
  const folder = locations.create()
  symlinkSync(MODULES, join(folder, 'node_modules'))
  for (const [name, text] of Object.entries(PAGE)) writeFileSync(join(folder, name), text)
  return { location: join(folder, 'data'), start: (name) => start(join(folder, name)) }
}

function useExamples(): Programs {
  const location = locations.create()
  return { location, start: (name) => start(join(EXAMPLES, name), location) }
}

/** Numbers that a getter has printed; before the first put there is nothing to get. */
function numbers(lines: readonly string[]): string[] {
  return lines.slice(lines.findIndex((line) => line !== 'a= undefined'))
}

describe.each([
  ['of the page', writePage],
  ['of examples/', useExamples]
])('four putters and two getters %s', (_of, prepare) => {
  const seed = Random.seed()
  it.each(TURNS)(
    `started in any order do not notice that the daemon is killed (seed ${seed} + %i)`,
    { timeout: 120_000 },
    async (turn) => {
      console.log(`PARTYD_TEST_SEED=${seed}`)
      const random = new Random(seed + turn)
      const { location, start } = prepare()
      const names: Program[] = ['put.js', 'put.js', 'put.js', 'put.js', 'get.js', 'get.js']
      const getters: Command[] = []
      while (names.length > 0) {
        const [name] = names.splice(random.below(names.length), 1) as [Program]
        const command = start(name)
        if (name === 'get.js') getters.push(command)
        // Sometimes at once, sometimes into the start of the ones before, sometimes well after it.
        if (random.chance(0.5)) await pause(random.below(400))
      }
      await Promise.all(
        getters.map((getter) => getter.printed((lines) => numbers(lines).length >= 4))
      )

      for (let kill = 0; kill < KILLS; kill++) {
        await pause(random.below(1000)) // At any moment of the putters' second.
        // At once hardly anything is under way; after a while without answers everybody waits for one.
        await killDaemon(location, kill % 2 === 0 ? 0 : 1100)
        await Promise.all([putOn(location), ...getters.map(goesOn)])
      }

      for (const command of commands) {
        expect(command.isRunning).toBe(true)
        expect(command.stderr).toBe('')
      }
      for (const getter of getters) {
        for (const line of numbers(getter.lines)) expect(line).toMatch(/^a= \d+$/)
      }
      expect(findDaemons(location)).toEqual([publishedPid(location)])
    }
  )
})

/** Prints again and again. */
async function goesOn(getter: Command): Promise<void> {
  const count = getter.lines.length
  await getter.printed((lines) => lines.length >= count + 4)
}

/** Puts again: the putters of the page put the same number each time. */
async function putOn(location: string): Promise<void> {
  const db = clients.open(location)
  // More than any of them would put, and what the getters may print.
  await db.put('a', '1000000')
  while ((await db.get('a')) === '1000000') await pause(50)
  await db.close()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
