// One get after another: how long each takes, beside a bare echo on the same kind of socket.

import type { Cell, Family } from '../cell.js'
import { startSpinner } from '../processes/spinner.js'

const PEERS = ['partyd', 'rave-level', 'redis', 'many-level', 'many-level-own', 'echo']

const oneAfterAnother: Cell = {
  name: 'latency',
  task: { kind: 'point', puts: 0 },
  shape: { processes: 1, inFlight: 1 },
  needs: [],
  peers: PEERS,
  targets: [4],
  durationMs: 1000
}

export const latency: Family = {
  name: 'latency',
  about:
    'One get after another; `latency-awake`: with a process of idle priority that keeps the processor from sleeping.',
  cells: [
    oneAfterAnother,
    {
      ...oneAfterAnother,
      name: 'latency-awake',
      background: async () => startSpinner()
    }
  ]
}
