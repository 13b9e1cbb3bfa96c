// The socket at which a service manager hears of its services. Python's, because Node has no unix
// datagrams.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { until } from './locations.js'

const SOURCE = `
import json, socket, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
listener.bind('\\0' + name[1:] if name.startswith('@') else name)
print(json.dumps('bound'), flush=True)
while True:
    print(json.dumps(listener.recv(65536).decode()), flush=True)
`

export class NotifySocket {
  /** What was sent, in order, without the barriers by which a sender waits to be heard. */
  readonly messages: string[] = []
  readonly #child

  /** @param name a path, or an abstract name that begins with `@`. */
  constructor(name: string) {
    this.#child = spawn('python3', ['-c', SOURCE, name], { stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const message = JSON.parse(line) as string
      if (message !== 'BARRIER=1') this.messages.push(message)
    })
  }

  async bound(): Promise<void> {
    await this.received('bound')
    this.messages.length = 0
  }

  /** Resolves when a message with that text has come; with that message. */
  async received(text: string): Promise<string> {
    const find = (): string | undefined => this.messages.find((message) => message.includes(text))
    await until(() => find() !== undefined, `the message '${text}'`)
    return find() as string
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}
