// What most files of tests begin with: locations, what uses them, and the end of all that after each
// test, also of one that fails.

import { afterEach } from 'vitest'
import { Clients } from './clients.js'
import { DaemonCommands } from './daemon-command.js'
import { Locations } from './locations.js'

export interface SetUp {
  readonly clients: Clients
  readonly commands: DaemonCommands
  readonly locations: Locations
}

/**
 * For the calling file's tests. Whatever they start by these is ended after each of them: clients
 * first, or one that waits for something would start another daemon.
 */
export function setUp(): SetUp {
  const all = { clients: new Clients(), commands: new DaemonCommands(), locations: new Locations() }
  afterEach(async () => {
    await all.clients.end()
    await all.commands.reap()
    await all.locations.reap()
  })
  return all
}
