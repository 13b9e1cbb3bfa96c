// The code blocks of a document, in order: what a reader would copy.

import { readFileSync } from 'node:fs'

export interface CodeBlock {
  /** Of its first line, from 1. */
  readonly line: number
  /** What stands behind the fence: the language, then words for whoever runs it. */
  readonly language: string
  readonly words: readonly string[]
  readonly text: string
  /** What must run before it, from a comment `<!-- before: … -->` above it that readers do not see. */
  readonly before: string
}

const BLOCK =
  /(?:<!-- before: ((?:(?!-->)[\s\S])*?)\s*-->\n+)?^( *)```([a-z]*)([^\n]*)\n([\s\S]*?)^ *```$/gm

export function readCodeBlocks(path: string): CodeBlock[] {
  const document = readFileSync(path, 'utf8')
  return [...document.matchAll(BLOCK)].map((match) => {
    const [, before = '', indent = '', language = '', info = '', text = ''] = match
    return {
      line: document.slice(0, match.index).split('\n').length,
      language,
      words: info.trim().split(' '),
      text: text.replace(new RegExp(`^${indent}`, 'gm'), ''),
      before
    }
  })
}
