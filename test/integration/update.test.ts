// Read, change and write back, by clients of a daemon that stays alive. What its death does is in
// test/fault/update.test.ts.

import { PartyLevel } from '@partyd/client'
import { describe, expect, it, vi } from 'vitest'
import { ForeignProcess } from '../harness/foreign-process.js'
import { setUp } from '../harness/set-up.js'

vi.setConfig({ testTimeout: 60_000 })

const { clients, locations } = setUp()

describe('an update', () => {
  it('puts what the function makes of the value, and deletes by undefined', async () => {
    const location = locations.create()
    const db = new PartyLevel<string, number>(location, { valueEncoding: 'json' })
    expect(await db.update('n', (n = 40) => n + 1)).toBe(41)
    expect(await db.update('n', async (n = 0) => n + 1)).toBe(42)
    expect(await db.get('n')).toBe(42)
    const asText = { valueEncoding: 'utf8' }
    expect(await db.update<string, string>('n', (text) => `${text}0`, asText)).toBe('420')
    const sublevel = db.sublevel<string, number>('s', { valueEncoding: 'json' })
    expect(await sublevel.update('n', (n = 1) => n * 2, { sync: true })).toBe(2)
    expect(await db.update('n', () => undefined)).toBeUndefined()
    expect(await db.update('absent', () => undefined)).toBeUndefined()
    expect(await db.iterator().all()).toEqual([['!s!n', 2]])
    await db.close()
  })

  it('compares bytes that no encoding can give back', async () => {
    const db = clients.open(locations.create())
    const bytes = { valueEncoding: 'buffer' }
    await db.put<string, Buffer>('a', Buffer.from([0xff, 0x80]), bytes)
    expect(await db.update('a', (text) => `${text}!`)).toBe('\ufffd\ufffd!')
  })

  it('passes on what the function throws, and what is no function or key', async () => {
    const db = clients.open(locations.create())
    await db.put('a', '1')
    const reason = new Error('mine')
    const failing = db.update('a', () => {
      throw reason
    })
    await expect(failing).rejects.toBe(reason)
    await expect(db.update('a', async () => Promise.reject(reason))).rejects.toBe(reason)
    await expect(db.update('a', 'text' as never)).rejects.toThrow(TypeError)
    await expect(db.update(null as never, () => '1')).rejects.toMatchObject({
      code: 'LEVEL_INVALID_KEY'
    })
    await expect(db.update('a', () => null as never)).rejects.toMatchObject({
      code: 'LEVEL_INVALID_VALUE'
    })
    const json = { valueEncoding: 'json' }
    await db.put('a', '{')
    await expect(db.update('a', () => 1 as never, json)).rejects.toMatchObject({
      code: 'LEVEL_DECODE_ERROR'
    })
    expect(await db.get('a')).toBe('{')
  })

  it('calls the function again when somebody else was faster', async () => {
    const db = clients.open(locations.create())
    const seen: (string | undefined)[] = []
    const result = await db.update('a', async (value) => {
      seen.push(value)
      if (seen.length < 3) await db.put('a', `${seen.length}`)
      return `${value}!`
    })
    expect(seen).toEqual([undefined, '1', '2'])
    expect(result).toBe('2!')
  })

  it('gives up when others keep writing', async () => {
    const db = clients.open(locations.create(), { retryTimeoutMs: 500 })
    let count = 0
    const meddle = db.update('a', async () => {
      await db.put('a', `${count++}`)
      return 'never'
    })
    await expect(meddle).rejects.toMatchObject({ code: 'PARTYD_CONFLICT', operation: 'update' })
    expect(count).toBeGreaterThan(1)
    expect(await db.get('a')).toBe(`${count - 1}`)
  })

  it('is ended by its signal, and then has written nothing', async () => {
    const db = clients.open(locations.create())
    const aborted = { code: 'LEVEL_ABORTED', name: 'AbortError' }
    const before = AbortSignal.abort()
    await expect(db.update('a', () => '1', { signal: before })).rejects.toMatchObject(aborted)
    const during = new AbortController()
    const waiting = db.update('a', () => new Promise<string>(() => {}), { signal: during.signal })
    await db.get('a')
    during.abort()
    await expect(waiting).rejects.toMatchObject(aborted)
    const late = new AbortController()
    const change = (): string => {
      late.abort()
      return '1'
    }
    await expect(db.update('a', change, { signal: late.signal })).rejects.toMatchObject(aborted)
    expect(await db.get('a')).toBeUndefined()
  })

  it('within an update of the same key waits for no turn that never comes', async () => {
    const db = clients.open(locations.create())
    let isInner = true
    const result = await db.update('a', async (value = '') => {
      if (isInner) {
        isInner = false
        await db.update('a', (inner = '') => `${inner}inner`)
      }
      return `${value} outer`
    })
    expect(result).toBe('inner outer')
  })

  it('is made of a thousand at once without a loss', async () => {
    const location = locations.create()
    const db = new PartyLevel<string, number>(location, { valueEncoding: 'json' })
    const values = await Promise.all(
      Array.from({ length: 1_000 }, () => db.update('n', (n = 0) => n + 1))
    )
    const inOrder = values.sort((left, right) => (left ?? 0) - (right ?? 0))
    expect(inOrder).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1))
    await db.close()
  })

  it('learns why the database cannot be opened, and that it is closed', async () => {
    const location = locations.create()
    const holder = await ForeignProcess.holdLock(location)
    try {
      const db = clients.open(location)
      await expect(db.update('a', () => '1')).rejects.toMatchObject({
        code: 'LEVEL_DATABASE_NOT_OPEN',
        cause: { code: 'LEVEL_LOCKED', pid: holder.pid }
      })
      await expect(db.update('a', () => '1')).rejects.toMatchObject({
        code: 'LEVEL_DATABASE_NOT_OPEN'
      })
    } finally {
      await holder.kill()
    }
  })
})
