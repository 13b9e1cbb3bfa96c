import { LevelError } from '@partyd/shared'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { UpdateTurns } from '../../packages/client/dist/update-turns.js'

// No turn ends by its time.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Takes turns at one key, and notes which have begun. */
class Turns {
  readonly begun: string[] = []
  readonly #turns = new UpdateTurns()

  /** One that lasts until it is ended. */
  take(name: string, signal?: AbortSignal): { end(): void; readonly ended: Promise<void> } {
    let end = (): void => {}
    const lasting = new Promise<void>((resolve) => {
      end = resolve
    })
    const run = (): Promise<void> => {
      this.begun.push(name)
      return lasting
    }
    return { end, ended: this.#turns.take('key', run, signal) }
  }
}

it('a turn that is waited for is given up at once when the signal says so', async () => {
  const turns = new Turns()
  const first = turns.take('first')
  const controller = new AbortController()
  const aborted = turns.take('aborted', controller.signal)
  controller.abort()
  await expect(aborted.ended).rejects.toBeInstanceOf(LevelError)
  await expect(turns.take('too late', controller.signal).ended).rejects.toMatchObject({
    code: 'LEVEL_ABORTED'
  })
  first.end()
  await first.ended
  expect(turns.begun).toEqual(['first'])
})

it('whoever comes behind a turn that was given up waits for the one before it', async () => {
  const turns = new Turns()
  const first = turns.take('first')
  const controller = new AbortController()
  const aborted = turns.take('aborted', controller.signal)
  const waiting = turns.take('waiting')
  controller.abort()
  await expect(aborted.ended).rejects.toMatchObject({ code: 'LEVEL_ABORTED' })
  const last = turns.take('last')
  await new Promise(setImmediate)
  expect(turns.begun).toEqual(['first'])
  first.end()
  await first.ended
  waiting.end()
  await waiting.ended
  last.end()
  await last.ended
  expect(turns.begun).toEqual(['first', 'waiting', 'last'])
})
