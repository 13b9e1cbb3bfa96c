// Preloaded into a daemon: what it says to a write that is in the database leaves late. A daemon
// killed meanwhile takes many answers with it, and other clients have seen what they were about.

import { Channel, KIND } from '@partyd/shared'
import './unbundled.js'

const HELD_MS = 25
const KIND_OFFSET = 8

const { send } = Channel.prototype

Channel.prototype.send = function (chunk, start, end) {
  if (chunk[start + KIND_OFFSET] !== KIND.done) return send.call(this, chunk, start, end)
  // Timers of one length fire in the order they were made: answers to writes stay in order.
  setTimeout(() => send.call(this, chunk, start, end), HELD_MS)
}
