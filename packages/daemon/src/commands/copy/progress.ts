// A progress bar on standard error, while a person watches. The only file that knows cli-progress.

import type { Options, Params, SingleBar } from 'cli-progress'
import { formatDuration } from '../duration.js'
import type { Output } from '../output.js'

/** What has been done so far. */
export interface Tally {
  entries: number
  bytes: number
}

const DRAW_MS = 250
/** What is whole for the bar. */
const TOTAL = 1000

/**
 * Shows a bar, or without a known fraction only what has been done, until `stop` is called.
 * @param findFraction from 0 to 1, asked as often as the bar is drawn; undefined when it is not known.
 */
export async function showProgress(
  output: Output,
  label: string,
  tally: Tally,
  findFraction: () => Promise<number | undefined>
): Promise<{ stop(): void }> {
  if (!output.showsProgress) return { stop: () => {} }
  const { default: library } = await import('cli-progress')
  const bar = new library.SingleBar({
    format: (options, params) => format(label, tally, options, params),
    stream: process.stderr,
    barsize: 20,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    fps: 1000 / DRAW_MS,
    etaBuffer: 40,
    // Or it would turn off the terminal's own, and might not come to turn it on again.
    linewrap: true,
    clearOnComplete: true
  })
  bar.start(TOTAL, 0)
  let isAsking = false
  const timer = setInterval(async () => {
    if (isAsking) return
    isAsking = true
    const fraction = await findFraction().catch(() => undefined)
    if (fraction !== undefined) update(bar, fraction)
    isAsking = false
  }, DRAW_MS)
  return {
    stop() {
      clearInterval(timer)
      bar.stop()
    }
  }
}

/** Never backwards: it is a guess. A value that is the same would only spoil the remaining time. */
function update(bar: SingleBar, fraction: number): void {
  const value = Math.floor(Math.min(fraction, 1) * TOTAL)
  const { value: before } = bar as unknown as { readonly value: number }
  if (value > before) bar.update(value)
}

function format(label: string, tally: Tally, options: Options, params: Params): string {
  const parts: string[] = []
  if (params.value > 0) {
    const done = Math.round(params.progress * 20)
    const bar = `${options.barCompleteChar}`.repeat(done).padEnd(20, options.barIncompleteChar)
    parts.push(`${bar} ${Math.floor(params.progress * 100)}%`)
    // The library says NULL or INF as long as it cannot tell.
    if (Number.isFinite(params.eta)) parts.push(`${formatDuration(params.eta * 1000)} left`)
  }
  const ms = Date.now() - params.startTime
  parts.push(`${label} ${formatRates(tally, ms)}`, formatAmounts(tally))
  return fitParts(parts, process.stderr.columns || 80)
}

/** Leaves out what comes last rather than have it cut off; the last column would wrap the line. */
export function fitParts(parts: readonly string[], columns: number): string {
  const fitting = [...parts]
  while (fitting.length > 1 && fitting.join(' · ').length >= columns) fitting.pop()
  return fitting.join(' · ')
}

/** For people: how many entries and bytes, and how fast. */
export function describeTally(tally: Tally, ms: number): string {
  return `${formatAmounts(tally)} in ${formatSeconds(ms)} (${formatRates(tally, ms)})`
}

function formatAmounts({ entries, bytes }: Tally): string {
  return `${formatCount(entries)} entries, ${formatBytes(bytes)}`
}

function formatRates({ entries, bytes }: Tally, ms: number): string {
  const seconds = Math.max(ms, 1) / 1000
  return `${formatCount(Math.round(entries / seconds))}/s, ${formatBytes(bytes / seconds)}/s`
}

function formatCount(count: number): string {
  return COUNTS.format(count)
}

// Made once: making one for each number is slow.
const COUNTS = new Intl.NumberFormat('en-US')

function formatBytes(bytes: number): string {
  if (bytes < 1e4) return `${Math.round(bytes)} B`
  return bytes < 1e7 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

function formatSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
