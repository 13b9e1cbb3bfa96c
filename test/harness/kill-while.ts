// Daemons that are killed one after the other while programs are at work, and the programs' good end.

import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { isAlive, publishedPid } from './locations.js'
import type { Program } from './program.js'
import type { Random } from './random.js'

/** Kills the daemon so many times, each when it has served a while, while the programs run. */
export async function killWhile(
  programs: readonly Program[],
  location: string,
  kills: number,
  random: Random
): Promise<number> {
  const isRunning = (): boolean => programs.some(({ child }) => child.exitCode === null)
  let count = 0
  let last: number | undefined
  while (count < kills && isRunning()) {
    await sleep(50 + random.below(300))
    const pid = publishedPid(location)
    if (pid === undefined || pid === last || !isAlive(pid)) continue
    process.kill(pid, 'SIGKILL')
    last = pid
    count++
  }
  return count
}

/** Resolves with what they have printed, once all have ended well. */
export async function expectToEnd(programs: readonly Program[]): Promise<string[]> {
  const finished = await Promise.all(programs.map((program) => program.finished))
  for (const { code, stderr } of finished) expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return finished.map(({ stdout }) => stdout)
}
