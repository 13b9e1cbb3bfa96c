// What a daemon has done since it started, for those who ask. Guests are not counted.

export class Counters {
  /** Requests of party clients, and the writes among them. */
  requests = 0
  writes = 0
  /** LevelDB batches that the writes of all were gathered in. */
  batches = 0
  /** Snapshots that clients hold now. */
  snapshots = 0
}
