// The two programs of the predecessor's page, as they are in examples/: started in any order, and
// not to be disturbed by the death of the daemon.

import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { Command } from '../harness/command.js'
import { findDaemons, isAlive, Locations, publishedPid, until } from '../harness/locations.js'
import { Random } from '../harness/random.js'

const locations = new Locations()
const commands: Command[] = []
afterEach(async () => {
  await Promise.all(commands.splice(0).map((command) => command.end()))
  await locations.reap()
})

const KILLS = 5

function startExample(name: string, location: string): Command {
  const path = fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))
  const command = new Command(process.execPath, [path, location], { timeoutMs: 110_000 })
  commands.push(command)
  return command
}

/** Numbers that a getter has printed; before the first put there is nothing to get. */
function numbers(lines: readonly string[]): string[] {
  return lines.slice(lines.findIndex((line) => line !== 'a= undefined'))
}

describe('four putters and two getters', () => {
  const seed = Random.seed()
  it.each([1, 2, 3])(
    `started in any order do not notice that the daemon is killed (seed ${seed} + %i)`,
    { timeout: 120_000 },
    async (turn) => {
      console.log(`PARTYD_TEST_SEED=${seed}`)
      const random = new Random(seed + turn)
      const location = locations.create()
      const names = ['put.js', 'put.js', 'put.js', 'put.js', 'get.js', 'get.js']
      const getters: Command[] = []
      while (names.length > 0) {
        const [name] = names.splice(random.below(names.length), 1) as [string]
        const command = startExample(name, location)
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
        await Promise.all(getters.map(goesOn))
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

/** Kills the daemon that serves, not one that is dead and still written down; stops it before that. */
async function killDaemon(location: string, stoppedMs: number): Promise<void> {
  await until(() => isAlive(publishedPid(location) ?? 0), 'a daemon to be published')
  const pid = publishedPid(location) as number
  process.kill(pid, 'SIGSTOP')
  await pause(stoppedMs)
  process.kill(pid, 'SIGKILL')
  await until(() => !isAlive(pid), `the end of daemon ${pid}`)
}

/** Prints again, and something that was put after this moment. */
async function goesOn(getter: Command): Promise<void> {
  const before = new Set(getter.lines)
  const count = getter.lines.length
  await getter.printed(
    (lines) => lines.length >= count + 4 && lines.slice(count).some((line) => !before.has(line))
  )
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
