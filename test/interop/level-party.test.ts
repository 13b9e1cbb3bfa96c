// The same program over level-party itself and over ours: what it prints is the same. Its own page's
// programs, with kills, are in integration/seed-page.test.ts.

import { fileURLToPath } from 'node:url'
import { afterEach, expect, it } from 'vitest'
import { Command } from '../harness/command.js'
import { Locations } from '../harness/locations.js'

const locations = new Locations()
afterEach(() => locations.reap())

const PROGRAM = fileURLToPath(new URL('level-party-program.cjs', import.meta.url))

async function run(module: string): Promise<string[]> {
  const command = new Command(process.execPath, [PROGRAM, module, locations.create()])
  const { stdout, stderr } = await command.succeeded()
  expect(stderr).toBe('')
  return stdout.trimEnd().split('\n')
}

it('a program written for level-party prints the same with @partyd/client/level-party', async () => {
  const lines = await run('@partyd/client/level-party')
  expect(lines.at(-1)).toBe('the end')
  expect(lines.length).toBeGreaterThan(140)
  expect(lines).toEqual(await run('level-party'))
})
