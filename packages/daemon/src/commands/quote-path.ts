// Paths in commands that are suggested: what is copied into a shell must reach the program as it is.

const PLAIN = /^[\w@%+=:,./-]+$/

/** A path as one word of a POSIX shell; most need no quotes. */
export function quotePath(path: string): string {
  if (path.startsWith('-')) return quotePath(`./${path}`)
  return PLAIN.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
