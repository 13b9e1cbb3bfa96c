// Entry of a daemon that a client spawns, which is in a hurry: no command line library.

import { parseDaemonArguments } from '@partyd/shared'
import { serve } from './daemon.js'

void serve(parseDaemonArguments(process.argv.slice(2)))
