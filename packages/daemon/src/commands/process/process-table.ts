// What Linux tells of other processes: for people to read, never to decide who is alive.

import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Whether there is anything to look at. */
export const HAS_PROCESS_TABLE: boolean = process.platform === 'linux'

/** How a process was called, as `ps` shows it; undefined when it cannot be told. */
export function commandLineOf(pid: number): string | undefined {
  const text = read(pid, 'cmdline')?.split('\0').join(' ').trim()
  return text === '' ? read(pid, 'comm')?.trim() : text
}

/** Whether somebody has stopped it, by SIGSTOP or in a debugger. */
export function isSuspended(pid: number): boolean {
  // The name, in parentheses, may hold anything.
  const state = /^\d+ \(.*\) (\w)/s.exec(read(pid, 'stat') ?? '')?.[1]
  return state === 'T' || state === 't'
}

/** The systemd service that a process belongs to, and ends with; undefined for none. */
export function serviceOf(pid: number): string | undefined {
  const path = /^0::(.*)$/m.exec(read(pid, 'cgroup') ?? '')?.[1] ?? ''
  const unit = basename(path)
  return unit.endsWith('.service') ? unit : undefined
}

export interface DaemonProcess {
  readonly pid: number
  readonly location: string
}

/**
 * The daemons of this user, found by their title; their locations, which a title may have no room
 * for, by the lock that they have open.
 */
export function findDaemonProcesses(): DaemonProcess[] {
  const uid = process.getuid?.()
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && ownerOf(name) === uid)
    .map(Number)
    .filter((pid) => read(pid, 'cmdline')?.startsWith('partyd '))
    .flatMap((pid) => locationsOf(pid).map((location) => ({ pid, location })))
}

function locationsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`
  try {
    const links = readdirSync(directory).map((fd) => linkOf(join(directory, fd)))
    return links.filter((path) => basename(path) === 'LOCK').map((path) => dirname(path))
  } catch {
    return [] // It has just ended.
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // Closed while we looked.
  }
}

function ownerOf(name: string): number | undefined {
  return statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid
}

function read(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return undefined // It has ended, it is not ours to look at, or there is no /proc.
  }
}
