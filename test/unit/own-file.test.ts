// partyd's own files are never written through a link that somebody else has put in their place.

import {
  chmodSync,
  closeSync,
  lstatSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { createOwnFile, openOwnLog, replaceOwnFile } from '@partyd/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Locations } from '../harness/locations.js'

const locations = new Locations()
afterEach(() => locations.reap())

let directory = ''
let victim = ''

beforeEach(() => {
  directory = locations.create()
  victim = join(locations.create(), 'victim')
  writeFileSync(victim, 'precious', { mode: 0o644 })
})

function expectUntouched(): void {
  expect(readFileSync(victim, 'utf8')).toBe('precious')
  expect(lstatSync(victim).mode & 0o777).toBe(0o644)
}

describe('a link in the place of', () => {
  it('a file that is made is replaced', () => {
    const path = join(directory, 'partyd.exit.json')
    symlinkSync(victim, path)
    createOwnFile(path, 'ours')
    expectUntouched()
    expect(lstatSync(path).isSymbolicLink()).toBe(false)
    expect(lstatSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(path, 'utf8')).toBe('ours')
  })

  it('a file that is replaced, or of what replaces it, is replaced', () => {
    const path = join(directory, 'partyd.json')
    symlinkSync(victim, path)
    symlinkSync(victim, `${path}.tmp`)
    replaceOwnFile(path, 'ours')
    expectUntouched()
    expect(readFileSync(path, 'utf8')).toBe('ours')
    expect(readdirSync(directory)).toEqual(['partyd.json'])
  })

  it('a log is followed only where nobody else can have made it', () => {
    const path = join(directory, 'partyd.log')
    symlinkSync(victim, path)
    closeSync(openOwnLog(path))
    for (const mode of [0o770, 0o777, 0o1777]) {
      chmodSync(directory, mode)
      expect(() => openOwnLog(path)).toThrow('ELOOP')
    }
    expectUntouched()
  })
})

it('a file that cannot be replaced leaves nothing behind', () => {
  const path = join(locations.create(), 'none', 'partyd.json')
  expect(() => replaceOwnFile(path, 'ours')).toThrow('ENOENT')
  expect(() => replaceOwnFile(directory, 'ours', `${directory}.tmp`)).toThrow()
  expect(readdirSync(join(directory, '..'))).not.toContain(`${directory}.tmp`)
})
