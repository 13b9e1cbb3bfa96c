// A daemon on its way out for want of clients, while its fence looks after the socket: the fence must
// not publish again what was taken away on purpose.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PartyLevel } from '@partyd/client'
import { expect, it } from 'vitest'
import { setUp } from '../harness/set-up.js'

const { commands, locations } = setUp()

it('a daemon that leaves when idle leaves no socket behind', async () => {
  for (let round = 0; round < 3; round++) {
    const location = locations.create()
    const daemon = await commands.serve(location, [
      '--auto',
      '--idle-timeout',
      '50',
      '--fence-interval',
      '20'
    ])
    const db = new PartyLevel(location)
    await db.put('key', 'value')
    await db.close()
    expect((await daemon.ended).code).toBe(0)
    expect(existsSync(join(location, 'partyd.sock'))).toBe(false)
  }
})
