// Starts what serves a location and ends it again: an external program, or an adapter's `host` in a
// Node process of its own.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ServeOptions, Service } from '../peers/peer.js'

const START_MS = 20_000
const STOP_MS = 20_000

const HOST_ENTRY = fileURLToPath(new URL('./host-process.js', import.meta.url))

/** Runs the `host` of a peer; clients open the location itself unless the adapter says otherwise. */
export async function startHost(
  peer: string,
  directory: string,
  options: ServeOptions
): Promise<Service> {
  const args = [...options.nodeArgs, HOST_ENTRY, peer, directory, JSON.stringify(options)]
  const host = await startProcess(process.execPath, args, (output) => output.includes('ready'))
  return { ...host, address: directory }
}

/**
 * Starts a program and resolves when what it has printed, on standard output or descriptor 3, says
 * that it serves. It is ended by SIGTERM.
 */
export async function startProcess(
  file: string,
  args: readonly string[],
  isReady: (output: string) => boolean
): Promise<Omit<Service, 'address'>> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] })
  await waitUntilReady(child, isReady)
  return { pid: child.pid as number, stop: () => stopChild(child) }
}

function waitUntilReady(child: ChildProcess, isReady: (output: string) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    const fail = (why: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`${child.spawnfile} ${why}: ${output.slice(-2000)}`))
    }
    const timer = setTimeout(() => fail('is not ready in time'), START_MS)
    const onData = (data: Buffer): void => {
      output = (output + data.toString()).slice(-10_000)
      if (!isReady(output)) return
      clearTimeout(timer)
      resolve()
    }
    // Read to the end, or the program would stand still once the pipe is full.
    for (const stream of child.stdio.slice(1)) (stream as Readable).on('data', onData)
    child.once('error', (error) => fail(error.message))
    child.once('exit', (code, signal) => fail(`ended with ${code ?? signal}`))
  })
}

/** Asks a process to end, and makes it end when it does not. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(timer)
}
