// The same load over few connections and over many, and from as many processes.

import type { Cell, Family } from '../cell.js'
import type { Shape } from '../site.js'

/** 256 operations under way in each case. */
const FEW: Shape = { processes: 4, connections: 1, inFlight: 64 }
const MANY: Shape = { processes: 4, connections: 16, inFlight: 64 }
const PROCESSES: Shape = { processes: 64, inFlight: 4 }

const KINDS = { get: 0, put: 256 }

function connectionsCell(kind: string, puts: number): Cell {
  return {
    name: `connections-${kind}`,
    task: { kind: 'point', puts },
    shape: FEW,
    needs: ['point'],
    targets: [7],
    durationMs: 1000,
    entrants: [
      { label: '4 connections', peer: 'partyd', shape: FEW },
      { label: '64 connections', peer: 'partyd', shape: MANY },
      { label: 'rave-level, 64 connections', peer: 'rave-level', shape: MANY },
      { label: 'redis, 64 connections', peer: 'redis', shape: MANY }
    ]
  }
}

function processesCell(kind: string, puts: number): Cell {
  return {
    name: `processes-64-${kind}`,
    task: { kind: 'point', puts },
    shape: PROCESSES,
    needs: ['point'],
    peers: ['partyd', 'base', 'rave-level'],
    targets: [7],
    durationMs: 1000,
    // Each of so many processes gets a small share of the processor, and has code to compile.
    warmUpMs: 4000
  }
}

export const connections: Family = {
  name: 'connections',
  about:
    '256 operations under way: over 4 connections, over 64 connections of 4 processes, and from 64 processes.',
  cells: [
    ...Object.entries(KINDS).map(([kind, puts]) => connectionsCell(kind, puts)),
    ...Object.entries(KINDS).map(([kind, puts]) => processesCell(kind, puts))
  ]
}
