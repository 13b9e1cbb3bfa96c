// Waiting that an AbortSignal may end, with the error that abstract-level has for it.

import { LevelError } from '@partyd/shared'

export function abortError(): LevelError {
  return new LevelError('LEVEL_ABORTED', 'Operation has been aborted')
}

/** @throws LevelError `LEVEL_ABORTED` as soon as the signal says so; what was waited for goes on. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortError())
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
    promise.catch(() => {})
  }
}
