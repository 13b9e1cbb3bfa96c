import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Endpoint } from '../../packages/daemon/dist/start/endpoint.js'

const created: string[] = []

afterEach(() => {
  for (const path of created.splice(0)) rmSync(path, { recursive: true, force: true })
})

async function publishIn(location: string): Promise<{ endpoint: Endpoint; servers: Server[] }> {
  const servers: Server[] = []
  const endpoint = await Endpoint.bind(location, () => {
    const server = createServer()
    servers.push(server)
    return server
  })
  endpoint.publish()
  return { endpoint, servers }
}

function createLocation(): string {
  const location = mkdtempSync(join(tmpdir(), 'partyd-endpoint-'))
  created.push(location)
  return location
}

it('keeps its server where another one cannot listen, and closes it', async () => {
  const location = createLocation()
  const { endpoint, servers } = await publishIn(location)
  rmSync(location, { recursive: true })
  await expect(endpoint.republish()).rejects.toThrow('listen')
  await expect(endpoint.republish()).rejects.toThrow('listen')
  mkdirSync(location)
  await endpoint.republish()
  expect(readdirSync(location)).toEqual(['partyd.sock'])
  expect(servers.map(({ listening }) => listening)).toEqual([false, false, false, true])
  endpoint.close()
  expect(servers.some(({ listening }) => listening)).toBe(false)
})

it('that was closed meanwhile leaves no other server behind', async () => {
  const { endpoint, servers } = await publishIn(createLocation())
  const republished = endpoint.republish()
  endpoint.unpublish()
  endpoint.close()
  await republished
  expect(servers.map(({ listening }) => listening)).toEqual([false, false])
})
