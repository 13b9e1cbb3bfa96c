// Every command there is, in the order of the help.

import { backupCommand } from './backup.js'
import type { Command } from './command.js'
import { compactCommand } from './compact.js'
import { countCommand } from './count.js'
import { doctorCommand } from './doctor.js'
import { exportCommand } from './export.js'
import { getCommand } from './get.js'
import { importCommand } from './import.js'
import { listCommand } from './list.js'
import { logLevelCommand } from './log-level.js'
import { logsCommand } from './logs.js'
import { lsCommand } from './ls.js'
import { destroyCommand, repairCommand } from './maintenance.js'
import { delCommand, putCommand } from './put.js'
import { serveCommand } from './serve.js'
import {
  serviceInstallCommand,
  servicePrintCommand,
  serviceStatusCommand,
  serviceUninstallCommand
} from './service.js'
import { restartCommand, startCommand } from './start.js'
import { pingCommand, statusCommand } from './status.js'
import { stopCommand } from './stop.js'
import { watchCommand } from './watch.js'

export interface CommandGroup {
  readonly heading: string
  readonly commands: readonly Command[]
}

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    heading: 'The daemon of a location:',
    commands: [
      serveCommand,
      startCommand,
      stopCommand,
      restartCommand,
      statusCommand,
      pingCommand,
      logsCommand,
      logLevelCommand,
      doctorCommand,
      listCommand
    ]
  },
  {
    heading: 'What is in the database, while others use it:',
    commands: [getCommand, putCommand, delCommand, lsCommand, countCommand, watchCommand]
  },
  {
    heading: 'The database as a whole:',
    commands: [
      exportCommand,
      importCommand,
      backupCommand,
      compactCommand,
      repairCommand,
      destroyCommand
    ]
  },
  {
    heading: 'As a service of systemd or launchd:',
    commands: [
      serviceInstallCommand,
      serviceUninstallCommand,
      serviceStatusCommand,
      servicePrintCommand
    ]
  }
]
