// README's tables and the code must say the same.

import { readdirSync, readFileSync } from 'node:fs'
import { EXIT_CODES, PARTY_ERRORS } from '@partyd/shared'
import { describe, expect, it } from 'vitest'

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

describe('README', () => {
  it('lists every error code with its meaning', () => {
    const rows = [...README.matchAll(/^\| `(PARTYD_[A-Z_]+)` \| (.+) \|$/gm)]
    expect(Object.fromEntries(rows.map(([, code, text]) => [code, text]))).toEqual(PARTY_ERRORS)
  })

  it('lists every exit code', () => {
    const codes = [...README.matchAll(/^\| (\d+) \| /gm)].map(([, code]) => Number(code))
    expect(codes).toEqual(Object.values(EXIT_CODES))
  })
})

describe('README of the client', () => {
  const readme = readFileSync(new URL('../../packages/client/README.md', import.meta.url), 'utf8')
  const rowsOf = (text: string): string[] => text.match(/^\| `(?:PARTYD_|[a-z]).*$/gm) ?? []
  const namesOf = (text: string): string[] => rowsOf(text).map((row) => row.split(' | ')[0] ?? '')

  it('has the options and errors of the README for all', () => {
    const errors = rowsOf(README).filter((row) => row.startsWith('| `PARTYD_'))
    expect(rowsOf(readme).filter((row) => row.startsWith('| `PARTYD_'))).toEqual(errors)
    expect(namesOf(README)).toEqual(expect.arrayContaining(namesOf(readme)))
    const { source } = /^\| `(retry|idleTimeoutMs|spawn|sync)`/gm
    expect(readme.match(new RegExp(source, 'gm'))).toHaveLength(4)
  })
})

describe('README of the daemon', () => {
  const root = new URL('../../packages/daemon/', import.meta.url)
  const readme = readFileSync(new URL('README.md', root), 'utf8')

  it("lists the codes that only commands have, and every command's exit codes", () => {
    const commands = new URL('src/commands/', root)
    const names = readdirSync(commands, { recursive: true, encoding: 'utf8' })
    const sources = names
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(new URL(name, commands), 'utf8'))
    const used = sources.flatMap((source) => source.match(/(?<=')PARTYD_[A-Z_]+(?=')/g) ?? [])
    const own = used.filter((code) => !Object.hasOwn(PARTY_ERRORS, code))
    const rows = [...readme.matchAll(/^\| `(PARTYD_[A-Z_]+)` \|/gm)].map(([, code]) => code)
    expect(rows.sort()).toEqual([...new Set(own)].sort())
    const codes = [...readme.matchAll(/^\| (\d+) \| /gm)].map(([, code]) => Number(code))
    expect(codes).toEqual(expect.arrayContaining(Object.values(EXIT_CODES)))
  })
})
