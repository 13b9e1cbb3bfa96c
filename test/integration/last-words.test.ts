// What clients learn of a daemon that ends by a fault of its own while it serves them.

import { PartyLevel } from '@partyd/client'
import { expect, it } from 'vitest'
import { killDaemon } from '../harness/kill-daemon.js'
import { until } from '../harness/locations.js'
import { setUp } from '../harness/set-up.js'

const { clients, locations } = setUp()

/** Preloaded into a daemon: SIGUSR2 is a fault in its program. */
const FAULTY = [
  '--import',
  `data:text/javascript,${encodeURIComponent(`
  process.on('SIGUSR2', () => { throw new Error('boom at work') })
`)}`
]

function open(
  location: string,
  retry: boolean
): { db: PartyLevel<string, string>; warnings: Error[] } {
  const db = clients.open(location, { retry, spawn: { args: FAULTY } })
  const warnings: Error[] = []
  db.on('warning', (warning: Error) => warnings.push(warning))
  return { db, warnings }
}

it('a client with retry goes on, and is warned with the reason', async () => {
  const location = locations.create()
  const { db, warnings } = open(location, true)
  await db.put('a', '1')
  const { pid } = await db.info()
  process.kill(pid, 'SIGUSR2')
  await until(() => warnings.length > 0, 'the warning')
  expect(warnings).toMatchObject([{ code: 'PARTYD_CRASHED', pid, path: `${location}/partyd.log` }])
  expect(warnings[0]?.message).toContain('code 70')
  expect(warnings[0]?.message).toContain('boom at work')
  expect(await db.get('a')).toBe('1')
  expect((await db.info()).pid).not.toBe(pid)
})

it('an operation of a client without retry fails with the reason as its cause', async () => {
  const location = locations.create()
  const { db } = open(location, false)
  await db.put('a', '1')
  const { pid } = await db.info()
  const watch = db.watch({})
  await watch.ready
  const next = watch.next()
  process.kill(pid, 'SIGUSR2')
  await expect(next).rejects.toMatchObject({
    code: 'LEVEL_CONNECTION_LOST',
    cause: { code: 'PARTYD_CRASHED', pid, message: expect.stringContaining('boom at work') }
  })
})

it('a daemon that was killed, or stopped, leaves no words', async () => {
  const location = locations.create()
  const { db, warnings } = open(location, true)
  await db.put('a', '1')
  await killDaemon(location)
  expect(await db.get('a')).toBe('1')
  await PartyLevel.stop(location)
  expect(await db.get('a')).toBe('1')
  expect(warnings).toEqual([])
})
