// Every command there is, in the order of the help.

import type { Command } from './command.js'
import { backupCommand } from './copy/backup.js'
import { exportCommand } from './copy/export.js'
import { importCommand } from './copy/import.js'
import { compactCommand } from './data/compact.js'
import { countCommand } from './data/count.js'
import { getCommand } from './data/get.js'
import { lsCommand } from './data/ls.js'
import { delCommand, putCommand } from './data/put.js'
import { watchCommand } from './data/watch.js'
import { destroyCommand, repairCommand } from './maintenance/maintenance.js'
import { doctorCommand } from './process/doctor.js'
import { listCommand } from './process/list.js'
import { logLevelCommand } from './process/log-level.js'
import { logsCommand } from './process/logs.js'
import { serveCommand } from './process/serve.js'
import {
  serviceInstallCommand,
  servicePrintCommand,
  serviceStatusCommand,
  serviceUninstallCommand
} from './process/service.js'
import { restartCommand, startCommand } from './process/start.js'
import { pingCommand, statusCommand } from './process/status.js'
import { stopCommand } from './process/stop.js'

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

/** Of commands that have commands of their own. */
export const GROUP_SUMMARIES: Readonly<Record<string, string>> = {
  service: 'install, remove, look at or print the service that serves a location'
}
