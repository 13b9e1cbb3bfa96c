// A daemon whose package was updated under it finishes what it has, and makes room for a new one.

import { cpSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Clients } from '../harness/clients.js'
import { DAEMON_ENTRY, type DaemonCommand } from '../harness/daemon-command.js'
import { until } from '../harness/locations.js'
import { setUp } from '../harness/set-up.js'

const PACKAGE = dirname(dirname(DAEMON_ENTRY))
const LEFT_OUT = new Set(['node_modules', 'src'])

const { clients, commands, locations } = setUp()

interface Served {
  readonly daemon: DaemonCommand
  /** Where its package is. */
  readonly directory: string
  connect(): ReturnType<Clients['open']>
}

/** A daemon from a package of its own, which would wait a minute for its next client. */
async function serveFromCopy(): Promise<Served> {
  const directory = installCopy()
  const location = locations.create()
  const entry = join(directory, 'bin', basename(DAEMON_ENTRY))
  const daemon = await commands.serve(location, ['--auto', '--idle-timeout', '60000'], { entry })
  return { daemon, directory, connect: () => clients.open(location, { autospawn: false }) }
}

/** A copy of the built package, with the dependencies of the original. */
function installCopy(): string {
  const directory = join(locations.create(), 'partyd')
  cpSync(PACKAGE, directory, {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(basename(path))
  })
  symlinkSync(join(PACKAGE, 'node_modules'), join(directory, 'node_modules'))
  return directory
}

const replacements: [string, (directory: string) => void][] = [
  [
    'replaced by another version',
    (directory) => {
      writeFileSync(join(directory, 'new.json'), '{ "name": "partyd", "version": "99.0.0" }')
      renameSync(join(directory, 'new.json'), join(directory, 'package.json'))
    }
  ],
  ['removed', (directory) => rmSync(directory, { recursive: true })]
]

describe.each(replacements)('a daemon whose package was %s', (_, replace) => {
  it('ends with its last client, and not before', async () => {
    const { daemon, directory, connect } = await serveFromCopy()
    const first = connect()
    await first.put('a', '1')
    // The last one may go while the package is as it was: the daemon waits for the next.
    await first.close()
    const second = connect()
    expect(await second.get('a')).toBe('1')
    replace(directory)
    const third = connect()
    expect(await third.get('a')).toBe('1')
    await third.close()
    await second.put('b', '2')
    expect(daemon.isRunning).toBe(true)
    await second.close()
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
  })

  it('ends with its last client, also when nobody has come since', async () => {
    const { daemon, directory, connect } = await serveFromCopy()
    const db = connect()
    await db.put('a', '1')
    replace(directory)
    await db.close()
    await until(() => !daemon.isRunning, 'the end of the daemon')
    expect(await daemon.ended).toEqual({ code: 0, signal: null })
  })
})
