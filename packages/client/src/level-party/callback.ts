// Callbacks and promises: every operation takes a callback as its last argument, and returns a
// promise when there is none.

/** Called with an error, or with null and a value. */
export type Callback<T = void> = (error: Error | null | undefined, value?: T) => void

/** The arguments behind the first: options that may be left out, and a callback. */
export type Rest<TOptions, T = void> = readonly [
  options?: TOptions | Callback<T> | null,
  callback?: Callback<T>
]

export function pickOptions<TOptions, T>([options]: Rest<TOptions, T>): TOptions | undefined {
  return typeof options === 'function' ? undefined : (options ?? undefined)
}

/**
 * Hands the outcome to the callback among the arguments, or returns the promise. In a turn of its own:
 * what a callback throws is to be an uncaught exception, not a rejection.
 */
export function settle<T>(promise: Promise<T>, rest: readonly unknown[]): Promise<T> {
  const callback = rest.find((argument) => typeof argument === 'function') as
    | Callback<T>
    | undefined
  if (callback === undefined) return promise
  promise.then(
    (value) => process.nextTick(callback, null, ...(value === undefined ? [] : [value])),
    (error: Error) => process.nextTick(callback, error)
  )
  return undefined as unknown as Promise<T>
}
