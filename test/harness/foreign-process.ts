// Processes that know nothing of partyd: a holder of LevelDB's lock, and a server on a socket.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ClassicLevel } from 'classic-level'

const HERE = fileURLToPath(new URL('..', import.meta.url))

/** A child process that runs an ES module and has printed `ready`. */
export class ForeignProcess {
  readonly child: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(source: string, args: readonly string[]) {
    this.child = spawn(process.execPath, ['--input-type=module', '--eval', source, '--', ...args], {
      cwd: HERE,
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: 60_000,
      killSignal: 'SIGKILL'
    })
    this.#ended = once(this.child, 'close')
  }

  static async start(source: string, args: readonly string[]): Promise<ForeignProcess> {
    const foreign = new ForeignProcess(source, args)
    await Promise.race([
      once(foreign.child.stdout as NodeJS.ReadableStream, 'data'),
      foreign.#ended.then(() => {
        throw new Error('The foreign process ended before it was ready')
      })
    ])
    return foreign
  }

  /** Opens a database with classic-level and keeps it open until its standard input ends. */
  static holdLock(location: string): Promise<ForeignProcess> {
    return ForeignProcess.start(
      `import { ClassicLevel } from 'classic-level'
       const db = new ClassicLevel(process.argv[1])
       await db.open()
       console.log('ready')
       process.stdin.resume().on('end', () => db.close())`,
      [location]
    )
  }

  get pid(): number {
    return this.child.pid as number
  }

  /** Lets it end by itself. */
  async release(): Promise<void> {
    this.child.stdin?.end()
    await this.#ended
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.#ended
  }
}

/** What is in a database that nobody holds, by a plain LevelDB. Fails if somebody does hold it. */
export async function readWithClassicLevel(location: string): Promise<[string, string][]> {
  const db = new ClassicLevel(location, { createIfMissing: false })
  await db.open()
  try {
    return await db.iterator().all()
  } finally {
    await db.close()
  }
}

/** Makes a database by a plain LevelDB. */
export async function writeWithClassicLevel(
  location: string,
  entries: readonly (readonly [Buffer | string, Buffer | string])[]
): Promise<void> {
  const db = new ClassicLevel<Buffer, Buffer>(location, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer'
  })
  await db.open()
  await db.batch(
    entries.map(([key, value]) => ({
      type: 'put',
      key: Buffer.from(key as string),
      value: Buffer.from(value as string)
    }))
  )
  await db.close()
}
