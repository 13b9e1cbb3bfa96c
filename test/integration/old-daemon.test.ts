// A client of a daemon that lacks every optional part of the protocol. What it says of atomics,
// snapshots, properties and watches is in the files named for them.

import { expect, it } from 'vitest'
import { setUp } from '../harness/set-up.js'

const OLD_DAEMON = new URL('../harness/old-daemon-hook.js', import.meta.url).href

const { clients, locations } = setUp()

it('an old daemon is not asked for hasMany, and does everything else', async () => {
  const db = clients.open(locations.create(), { spawn: { args: ['--import', OLD_DAEMON] } })
  await db.put('a', '1')
  await expect(db.hasMany(['a', 'b'])).rejects.toMatchObject({
    code: 'PARTYD_INCOMPATIBLE',
    operation: 'hasMany',
    message: expect.stringContaining('Update partyd')
  })
  expect(await db.has('a')).toBe(true)
  expect(await db.getMany(['a', 'b'])).toEqual(['1', undefined])
  expect(await db.iterator().all()).toEqual([['a', '1']])
})
