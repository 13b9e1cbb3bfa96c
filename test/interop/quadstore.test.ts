// quadstore, an RDF database, over a PartyLevel: six indexes of every quad, kept in step by batches,
// whoever writes and however often the daemon is killed.

import { fileURLToPath } from 'node:url'
import { PartyLevel } from '@partyd/client'
import type { AbstractLevel } from 'abstract-level'
import n3 from 'n3'
import { Quadstore } from 'quadstore'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Command } from '../harness/command.js'
import { killDaemon } from '../harness/kill-daemon.js'
import { Locations } from '../harness/locations.js'

const { namedNode, literal, quad, blankNode } = n3.DataFactory

const locations = new Locations()
const commands: Command[] = []
let location: string
let store: Quadstore

beforeEach(async () => {
  location = locations.create()
  store = await openStore()
})
afterEach(async () => {
  await Promise.all(commands.splice(0).map((command) => command.end()))
  await store.close()
  await locations.reap()
})

async function openStore(): Promise<Quadstore> {
  const opened = new Quadstore({
    // No class that extends AbstractLevel fits the type AbstractLevel<any, any, any> to the letter.
    backend: new PartyLevel(location) as unknown as AbstractLevel<unknown>,
    dataFactory: n3.DataFactory
  })
  await opened.open()
  return opened
}

/** It takes a few seconds on an idle machine. */
const RUN_MS = 60_000
vi.setConfig({ testTimeout: RUN_MS + 10_000 })

const PROGRAM = fileURLToPath(new URL('quadstore-program.js', import.meta.url))
const PEOPLE = ['ada', 'grace', 'alan']
const COUNT = 100
const KNOWS = namedNode('ex://knows')

describe('quadstore', () => {
  it('holds what three processes put while the daemon is killed, in all its indexes', async () => {
    for (const person of PEOPLE) {
      const args = [PROGRAM, location, person, String(COUNT)]
      commands.push(new Command(process.execPath, args, { timeoutMs: RUN_MS }))
    }
    for (let kill = 0; kill < 3; kill++) await killDaemon(location)
    for (const command of commands) expect((await command.succeeded()).stderr).toBe('')

    const { items } = await store.get({ predicate: KNOWS })
    expect(items).toHaveLength(PEOPLE.length * COUNT)
    for (const person of PEOPLE) {
      const subject = namedNode(`ex://${person}`)
      expect((await store.get({ subject })).items).toHaveLength(COUNT)
      const object = namedNode(`ex://people/${person}/7`)
      expect((await store.get({ object })).items).toEqual([quad(subject, KNOWS, object)])
    }
    expect(await store.db.keys().all()).toHaveLength(6 * PEOPLE.length * COUNT)
  })

  it('streams Turtle in and quads out, across a kill', async () => {
    const numbers = Array.from({ length: 500 }, (_, n) => n)
    const turtle = numbers.map((n) => `<ex://n/${n}> <ex://is> ${n}, "number ${n}"@en .`).join('\n')
    await store.putStream(new n3.StreamParser().end(turtle) as never, { batchSize: 50 })
    const { iterator } = await store.getStream({ predicate: namedNode('ex://is') })
    let count = 0
    for await (const { object } of iterator as AsyncIterable<n3.Quad>) {
      if (count === 500) await killDaemon(location)
      expect(object.value).toMatch(/\d/)
      count++
    }
    expect(count).toBe(1000)
  })

  it('finds ranges of numbers, in both directions', async () => {
    const value = (n: number): n3.Literal =>
      literal(String(n), namedNode('http://www.w3.org/2001/XMLSchema#integer'))
    const quads = [1, 2, 12, 25].map((n) =>
      quad(namedNode(`ex://${n}`), namedNode('ex://is'), value(n))
    )
    await store.multiPut(quads)
    const object = { termType: 'Range' as const, gte: value(2), lt: value(25) }
    const find = async (options: object): Promise<string[]> =>
      (await store.get({ object }, options)).items.map(({ subject }) => subject.value)
    expect(await find({ order: ['object'] })).toEqual(['ex://2', 'ex://12'])
    expect(await find({ order: ['object'], reverse: true })).toEqual(['ex://12', 'ex://2'])
  })

  it('deletes, replaces and keeps blank nodes apart by scopes', async () => {
    const [one, other] = ['ex://one', 'ex://other'].map((iri) =>
      quad(namedNode(iri), KNOWS, literal('x'))
    )
    await store.put(one as n3.Quad)
    await store.patch(one as n3.Quad, other as n3.Quad)
    expect((await store.get({})).items).toEqual([other])
    await store.del(other as n3.Quad)
    expect(await store.db.keys().all()).toEqual([])

    const scope = await store.initScope()
    const blank = quad(blankNode('b'), KNOWS, literal('x'))
    await store.put(blank, { scope })
    const again = await store.loadScope(scope.id)
    await store.put(blank, { scope: again })
    await store.put(blank, { scope: await store.initScope() })
    expect((await store.get({ predicate: KNOWS })).items).toHaveLength(2)
  })

  it('is shared by two stores, and estimates sizes only if the database does', async () => {
    const other = await openStore()
    await other.put(quad(namedNode('ex://one'), KNOWS, namedNode('ex://other')))
    expect((await store.get({ predicate: KNOWS })).items).toHaveLength(1)
    const { approximateSize } = await store.getApproximateSize({ predicate: KNOWS })
    expect(approximateSize).toBeGreaterThanOrEqual(0)
    await other.close()
  })
})
