// What the parts of a session have in common.

import type { Channel } from '@partyd/shared'
import type { AnswerWriter } from './answer-writer.js'
import type { Engine } from './engine.js'
import type { SessionOrder } from './session-order.js'
import type { SessionSnapshots } from './session-snapshots.js'
import type { SessionState } from './session-state.js'

export interface SessionContext {
  readonly engine: Engine
  readonly channel: Channel
  readonly answers: AnswerWriter
  readonly order: SessionOrder
  readonly snapshots: SessionSnapshots
  /** Undefined for a client without retry, whose writes need no record. */
  readonly state: SessionState | undefined
}
