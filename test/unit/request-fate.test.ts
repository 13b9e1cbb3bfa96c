import { KIND, LIMITS, PartyError, TIMES } from '@partyd/shared'
import { describe, expect, it } from 'vitest'
import { Request } from '../../packages/client/dist/request.js'
import { countLoss, type Fate, fateOf, type Loss } from '../../packages/client/dist/request-fate.js'

type Link = NonNullable<Loss['link']>

const AT = 1_000_000
const CAUSE = new PartyError('PARTYD_CRASHED', 'boom')
const LOSS: Loss = {
  link: { endpoint: '/data/partyd.sock', welcome: { pid: 42 } } as Link,
  cause: CAUSE,
  at: AT,
  retry: true
}

const nothing = (): void => {}

function create(kind: number, fields: Partial<Request> = {}): Request {
  const request = new Request(kind, Buffer.alloc(9), 0, 9, nothing, nothing, nothing, undefined)
  return Object.assign(request, fields) as Request
}

function createOnLink(kind: number): Request {
  const link = { opener: KIND.iteratorOpen, number: 1, troubledAt: 0, deaths: 0 }
  return new Request(kind, Buffer.alloc(9), 0, 9, nothing, nothing, nothing, link) as Request
}

/** What becomes of it, this loss counted. */
function lose(request: Request, loss: Partial<Loss> = {}): Fate {
  countLoss(request, { ...LOSS, ...loss })
  return fateOf(request, { ...LOSS, ...loss })
}

describe('a request whose link is lost', () => {
  it.each([KIND.get, KIND.put, KIND.clear, KIND.watchOpen])('goes on, kind %d', (kind) => {
    expect(lose(create(kind))).toBe('again')
    expect(lose(create(kind), { cause: undefined })).toBe('again')
  })

  it.each([KIND.ping, KIND.skip])('is forgotten if nobody waits for it, kind %d', (kind) => {
    expect(lose(create(kind))).toBe('forgotten')
  })

  it('fails if it makes sense on that link only', () => {
    const request = createOnLink(KIND.iteratorNext)
    expect(lose(request)).toMatchObject({
      code: 'LEVEL_CONNECTION_LOST',
      operation: 'iterator',
      endpoint: '/data/partyd.sock',
      pid: 42,
      cause: CAUSE
    })
    expect(request.tie).toMatchObject({ troubledAt: AT, deaths: 1 })
  })

  it('fails again if it had failed for want of an answer', () => {
    const fate = lose(create(KIND.put, { isExpired: true }))
    expect(fate).toMatchObject({ code: 'LEVEL_CONNECTION_LOST' })
  })

  it.each([KIND.get, KIND.put, KIND.ping])('fails without retry, kind %d', (kind) => {
    const request = create(kind, { troubledAt: 1, deaths: LIMITS.deathsMax })
    const fate = lose(request, { retry: false })
    expect(fate).toMatchObject({ code: 'LEVEL_CONNECTION_LOST', pid: 42, cause: CAUSE })
  })
})

describe('a request that daemons keep dying of', () => {
  const deaths = LIMITS.deathsMax - 1

  it('fails once there were enough deaths and they took long enough', () => {
    const troubledAt = AT - TIMES.daemonLost
    const error = { code: 'PARTYD_DAEMON_LOST', operation: 'get', pid: 42, cause: CAUSE }
    expect(lose(create(KIND.get, { deaths, troubledAt }))).toMatchObject(error)
    expect(lose(create(KIND.get, { deaths: deaths - 1, troubledAt }))).toBe('again')
    expect(lose(create(KIND.get, { deaths, troubledAt: troubledAt + 1 }))).toBe('again')
    expect(lose(create(KIND.get, { deaths }))).toBe('again')
  })

  it('fails so on its link, too', () => {
    const request = Object.assign(createOnLink(KIND.iteratorNext), { deaths, troubledAt: 1 })
    expect(lose(request)).toMatchObject({ code: 'PARTYD_DAEMON_LOST' })
    expect(request.tie).toMatchObject({ deaths: LIMITS.deathsMax, troubledAt: 1 })
  })
})

describe('a request on a link whose sides did not understand each other', () => {
  const cause = new PartyError('PARTYD_PROTOCOL', 'no such kind')

  it.each([true, false])('fails, with retry: %s', (retry) => {
    expect(lose(create(KIND.get), { cause, retry })).toMatchObject({
      code: 'PARTYD_PROTOCOL',
      cause
    })
    expect(lose(createOnLink(KIND.iteratorNext), { cause, retry })).toMatchObject({
      code: 'PARTYD_PROTOCOL'
    })
    expect(lose(create(KIND.put, { sequence: 7 }), { cause, retry })).toMatchObject({
      code: 'PARTYD_OUTCOME_UNKNOWN',
      cause
    })
  })
})
