// y-leveldb, which keeps the documents of Yjs, over a PartyLevel: one process for each document, and
// the daemon killed while they write.

import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { LeveldbPersistence } from 'y-leveldb'
import * as Y from 'yjs'
import { Command } from '../harness/command.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { Locations } from '../harness/locations.js'

const locations = new Locations()
const commands: Command[] = []
const open: LeveldbPersistence[] = []
afterEach(async () => {
  await Promise.all(commands.splice(0).map((command) => command.end()))
  await Promise.all(open.splice(0).map((persistence) => persistence.destroy()))
  await locations.reap()
})

/** It takes a few seconds on an idle machine. */
const RUN_MS = 60_000
vi.setConfig({ testTimeout: RUN_MS + 10_000 })

const PROGRAM = fileURLToPath(new URL('y-leveldb-program.js', import.meta.url))
const NAMES = ['letter', 'minutes', 'novel']
const KILLS = 3

function openPersistence(location: string): LeveldbPersistence {
  const persistence = new LeveldbPersistence(location, { Level: PartyLevel })
  open.push(persistence)
  return persistence
}

describe('documents of y-leveldb', () => {
  it('that three processes edit are complete, however often the daemon is killed', async () => {
    const location = locations.create()
    const texts = NAMES.map((name) => `This is the ${name}. `.repeat(8))
    for (const [index, name] of NAMES.entries()) {
      const args = [PROGRAM, location, name, texts[index] as string]
      commands.push(new Command(process.execPath, args, { timeoutMs: RUN_MS }))
    }
    for (let kill = 0; kill < KILLS; kill++) await killDaemon(location)
    for (const [index, command] of commands.entries()) {
      const { stdout, stderr } = await command.succeeded()
      // It warns of a failed operation, and goes on.
      expect(stderr).toBe('')
      // One update a letter and one for the property, each at the place that it was given.
      const clocks = Array.from({ length: (texts[index] as string).length + 1 }, (_, n) => n)
      expect(JSON.parse(stdout)).toEqual(clocks)
    }

    const persistence = openPersistence(location)
    expect((await persistence.getAllDocNames()).sort()).toEqual(NAMES)
    for (const [index, name] of NAMES.entries()) {
      const doc = await persistence.getYDoc(name)
      expect(doc.getText('body').toString()).toBe(texts[index])
      expect(doc.getMap('properties').get('length')).toBe((texts[index] as string).length)
      expect(await persistence.getMeta(name, 'author')).toBe(commands[index]?.child.pid)
    }
  })

  it('are merged, compared and deleted', async () => {
    const location = locations.create()
    const [one, other] = [openPersistence(location), openPersistence(location)]
    const doc = new Y.Doc()
    for (const word of ['of ', 'words ', 'a list ']) {
      const before = Y.encodeStateVector(doc)
      doc.getText('body').insert(0, word)
      await one.storeUpdate('doc', Y.encodeStateAsUpdate(doc, before))
    }
    await other.flushDocument('doc')
    const stateVector = await one.getStateVector('doc')
    expect(Buffer.from(stateVector)).toEqual(Buffer.from(Y.encodeStateVector(doc)))

    const copy = new Y.Doc()
    Y.applyUpdate(copy, await other.getDiff('doc', Y.encodeStateVector(copy)))
    expect(copy.getText('body').toString()).toBe('a list words of ')

    await one.clearDocument('doc')
    expect(await other.getAllDocNames()).toEqual([])
    expect((await other.getYDoc('doc')).getText('body').toString()).toBe('')
  })
})
