// What the machine runs out of, or damages: descriptors, blocks of a file. One client's misfortune
// is not another's, and the daemon stays.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Duplex, pipeline } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { PartyLevel } from '@partyd/client'
import { locationFiles, TIMES } from '@partyd/shared'
import { ClassicLevel } from 'classic-level'
import { ManyLevelGuest } from 'many-level'
import { describe, expect, it } from 'vitest'
import { corruptBlock } from '../harness/corruption.js'
import { publishedPid, until } from '../harness/locations.js'
import { setUp } from '../harness/set-up.js'

const { clients, commands, locations } = setUp()

describe('a daemon with few descriptors', () => {
  // 43
  it('refuses for want of them, serves on, and recovers', { timeout: 60_000 }, async () => {
    const location = locations.create()
    const daemon = await commands.serve(location, ['--max-open-files', '64'], {
      wrapper: ['prlimit', '--nofile=64']
    })
    const db = clients.open(location)
    await db.put('a', '1')
    const endpoint = join(location, 'partyd.sock')
    const sockets: Socket[] = Array.from({ length: 120 }, () => connect(endpoint))
    for (const socket of sockets) socket.on('error', () => {})
    await sleep(500)
    expect(daemon.isRunning).toBe(true)
    // Whoever is in is served.
    for (let index = 0; index < 200; index++) await db.put(`${index}`, 'v')
    expect(await db.get('a')).toBe('1')
    const late = clients.open(location)
    const waiting = late.get('a')
    await sleep(200)
    for (const socket of sockets) socket.destroy()
    expect(await waiting).toBe('1')
    expect(publishedPid(location)).toBe(daemon.pid)
    expect(daemon.isRunning).toBe(true)
    await late.close()
    await PartyLevel.stop(location)
    expect((await daemon.ended).code).toBe(0)
  })
})

describe('a client without descriptors', () => {
  it('fails what waits for a daemon that it cannot start, and lives', async () => {
    const location = locations.create()
    const leave = join(locations.create(), 'leave')
    const client = clients.start(
      `import { closeSync, existsSync, openSync } from 'node:fs'
       import { setTimeout as sleep } from 'node:timers/promises'
       const db = new PartyLevel(location, { retryTimeoutMs: 6_000 })
       await db.put('a', '1')
       const { pid } = await db.info()
       console.log('ready')
       while (!existsSync(process.argv[2])) await sleep(20)
       const files = []
       try {
         for (;;) files.push(openSync('/dev/null'))
       } catch {}
       // Enough to look for the program, too few for its pipes.
       for (const file of files.splice(-3)) closeSync(file)
       process.kill(pid, 'SIGKILL')
       console.log(await db.put('b', '2').then(() => 'put', ({ message }) => message))
       await db.close()`,
      { args: [location, leave] }
    )
    await client.printed('ready')
    execFileSync('prlimit', ['--pid', String(client.child.pid), '--nofile=64'])
    writeFileSync(leave, '')
    const { code, stdout, stderr } = await client.finished
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^ready\n.* could not be started: spawn \S+ EMFILE.*\n$/)
    // It says nothing about the location: others are not to wait for it.
    expect(existsSync(locationFiles(location).failed)).toBe(false)
  })

  it('fails to destroy and to repair with the reason', async () => {
    const source = `
      import { execFileSync } from 'node:child_process'
      import { closeSync, openSync } from 'node:fs'
      execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=64'])
      const files = []
      try {
        for (;;) files.push(openSync('/dev/null'))
      } catch {}
      const say = ({ code, message }) => console.log(code, message)
      await PartyLevel.repair(location).catch(say)
      // Enough to look for the program, too few for its pipes.
      for (const file of files.splice(-3)) closeSync(file)
      await PartyLevel.destroy(location).catch(say)
      for (const file of files) closeSync(file)
      await PartyLevel.destroy(location).then(() => console.log('destroyed'), say)`
    const location = locations.create()
    const { stdout, stderr } = await clients.run(source, { args: [location] })
    expect(stderr).toBe('')
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^PARTYD_CRASHED `partyd repair` .* could not be started: .* EMFILE/),
      expect.stringMatching(/^PARTYD_CRASHED `partyd destroy` .* could not be started: .* EMFILE/),
      'destroyed',
      ''
    ])
  })
})

describe('a database with a table that has been cut off', () => {
  it.each(['get', 'getMany', 'has', 'hasMany'] as const)(
    'fails %s with LevelDB’s code',
    async (name) => {
      const location = locations.create()
      const seed = new ClassicLevel(location)
      await seed.put('a', '1')
      await seed.compactRange('a', 'b')
      await seed.close()
      const tables = readdirSync(location).filter((file) => file.endsWith('.ldb'))
      expect(tables).toHaveLength(1)
      truncateSync(join(location, tables[0] as string), 10)
      const db = clients.open(location)
      const read = name.endsWith('Many') ? db[name as 'getMany'](['a']) : db[name as 'get']('a')
      await expect(read).rejects.toMatchObject({ code: 'LEVEL_IO_ERROR', operation: name })
    }
  )
})

describe('a database with one corrupt block', () => {
  const keys = Array.from({ length: 400 }, (_, index) => `key ${String(index).padStart(4, '0')}`)
  const more = Array.from({ length: 3_000 }, (_, index) => `key ${1_000 + index}`)
  const makeValue = (key: string): string => `${key}:`.padEnd(2_000, key)

  // 56
  it('fails what is about its keys, and nothing else', async () => {
    const location = locations.create()
    const seed = clients.open(location, { compression: false })
    await seed.batch(keys.map((key) => ({ type: 'put', key, value: makeValue(key) })))
    await seed.close()
    await PartyLevel.stop(location)
    // The next open writes the log into a table.
    const second = clients.open(location, { compression: false })
    await second.open()
    await second.close()
    await PartyLevel.stop(location)
    const bad = 'key 0200'
    corruptBlock(location, `${bad}:`)
    const { log } = locationFiles(location)

    const db = clients.open(location, { compression: false })
    await db.open()
    const results = await Promise.allSettled(keys.map((key) => db.get(key)))
    const failed = keys.filter((_, index) => results[index]?.status === 'rejected')
    // A block is 4 kB: two or three values.
    expect(failed).toContain(bad)
    expect(failed.length).toBeLessThan(5)
    for (const [index, result] of results.entries()) {
      const key = keys[index] as string
      if (result.status === 'fulfilled') expect(result.value).toBe(makeValue(key))
      else expect(result.reason).toMatchObject({ code: 'LEVEL_CORRUPTION', operation: 'get' })
    }
    await expect(db.getMany(['key 0000', bad])).rejects.toMatchObject({
      code: 'LEVEL_CORRUPTION',
      operation: 'getMany'
    })
    const { code, answer } = await commands.ask(['doctor', location])
    expect(code).toBe(1)
    expect(answer['findings']).toEqual([
      expect.objectContaining({
        code: 'disk-fault',
        message: expect.stringContaining('LEVEL_CORRUPTION')
      })
    ])
    await until(() => readFileSync(log, 'utf8').includes('LEVEL_CORRUPTION'), 'the log')
    // One for all of them.
    expect(readFileSync(log, 'utf8').split('the disk has failed').length).toBe(2)
    expect(await db.getMany(['key 0000'])).toEqual([makeValue('key 0000')])
    await expect(db.values({ gte: 'key 0190' }).all()).rejects.toMatchObject({
      code: 'LEVEL_CORRUPTION'
    })
    expect(await db.keys({ lt: 'key 0150' }).all()).toHaveLength(150)
    await db.put('new', '1')
    expect(await db.get('new')).toBe('1')
    // In steps that do not meet the block, too: what is left must not go unsaid.
    await db.batch(more.map((key) => ({ type: 'put', key, value: 'v' })))
    await expect(db.clear({ gte: 'key 0100', lt: 'l' })).rejects.toMatchObject({
      code: 'LEVEL_CORRUPTION',
      operation: 'clear'
    })
    // All steps but the last are done; that one failed with what it had read.
    expect((await db.keys({ gt: 'key 0210', lt: 'l' }).all()).length).toBeLessThan(1_000)
    await PartyLevel.stop(location)
    expect(await db.get('key 0099')).toBe(makeValue('key 0099'))
  })

  it('is left well although it is the block of partyd’s own entries', async () => {
    const location = locations.create()
    // Without a cache, every look at the block is one at the file.
    const options = { compression: false, cacheSize: 0 }
    const first = clients.open(location, options)
    await first.batch(keys.map((key) => ({ type: 'put', key, value: makeValue(key) })))
    process.kill(publishedPid(location) as number, 'SIGKILL')
    // The next open writes the log into a table, the record of that session with it.
    const daemon = await commands.serve(location, ['--no-compression', '--cache-size', '0'])
    expect(await clients.open(location).get('key 0000')).toBe(makeValue('key 0000'))
    corruptBlock(location, Buffer.concat([Buffer.alloc(16, 0xff), Buffer.from('partyd')]))
    await PartyLevel.stop(location)
    expect((await daemon.ended).code).toBe(0)
    expect(daemon.stdout).toContain('cannot remove session records')
    expect(daemon.stdout).toContain('stopped')
  })
})

describe('a daemon’s descriptors', () => {
  // 37
  it.runIf(existsSync('/proc/self/fd'))('are its own', async () => {
    const location = locations.create()
    // The program that starts it has a file, a pipe and a socket of its own, which must not be there.
    const secret = join(location, '..', `secret-${process.pid}`)
    writeFileSync(secret, 'x')
    const { stdout } = await clients.run(
      `import { openSync, readdirSync, readlinkSync } from 'node:fs'
       openSync(${JSON.stringify(secret)}, 'r')
       const db = new PartyLevel(location)
       await db.put('a', '1')
       const pid = JSON.parse((await import('node:fs')).readFileSync(location + '/partyd.json')).pid
       const fds = readdirSync('/proc/' + pid + '/fd').map((fd) => {
         try { return readlinkSync('/proc/' + pid + '/fd/' + fd) } catch { return '' }
       })
       console.log(JSON.stringify(fds))
       await db.close()`,
      { args: [location] }
    )
    rmSync(secret)
    const fds = JSON.parse(stdout) as string[]
    expect(fds).not.toContain(secret)
    const files = fds.filter((path) => path.startsWith('/') && !path.startsWith('/dev/'))
    expect(files.filter((path) => !path.startsWith(location))).toEqual([])
    expect(fds.filter((path) => path.startsWith('pipe:')).length).toBeLessThan(10)
  })
})

describe('a stock guest', () => {
  // 55, short: silence is what matters, and a minute of it is no other than one second more than a
  // party client may take for its hello.
  it('that has been silent is served when it speaks', async () => {
    const location = locations.create()
    const daemon = await commands.serve(location)
    // Not by connectGuest, which connects no sooner than it has something to ask.
    const guest = new ManyLevelGuest<string, string>()
    const socket = connect(join(location, 'partyd.sock'))
    pipeline(socket, guest.createRpcStream() as unknown as Duplex, socket, () => {})
    await once(socket, 'connect')
    await sleep(TIMES.hello + 1_000)
    await guest.put('a', '1')
    expect(await guest.get('a')).toBe('1')
    await guest.close()
    expect(daemon.isRunning).toBe(true)
  })
})
