// Every command there is, in the order of the help.

import type { Command } from './command.js'
import { destroyCommand, repairCommand } from './maintenance.js'
import { serveCommand } from './serve.js'
import { pingCommand, statusCommand } from './status.js'
import { stopCommand } from './stop.js'

export interface CommandGroup {
  readonly heading: string
  readonly commands: readonly Command[]
}

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    heading: 'The daemon of a location:',
    commands: [serveCommand, stopCommand, statusCommand, pingCommand]
  },
  { heading: 'The database as a whole:', commands: [repairCommand, destroyCommand] }
]
