// Words of commands that are suggested: what is copied into a shell must reach the program as it is.

/** One word of a shell's; most need no quotes. On Windows, quotes of the other kind. */
export function quoteWord(word: string): string {
  const isWindows = process.platform === 'win32'
  if (/^[\w@%+=:,./\\-]+$/.test(word) && (isWindows || !word.includes('\\'))) return word
  return isWindows ? `"${word}"` : `'${word.replaceAll("'", "'\\''")}'`
}

/** A path, which must not be taken for an option. */
export function quotePath(path: string): string {
  return quoteWord(path.startsWith('-') ? `./${path}` : path)
}
