// Every bound and every time of partyd, with the reason for the number.
// Sizes are in bytes (1_048_576 is 1 MiB), times in milliseconds.

/** Bounds on what travels and what waits. */
export const LIMITS = {
  /** Largest frame. A drop-in must take what `level` takes; beyond this one value would own the machine. */
  frameBytesMax: 268_435_456,
  /** Largest hello: it is read before anything is known of the peer. */
  helloBytesMax: 4_096,
  /** Largest answer to a hello: 8,192 results, each with its sequence number, as JSON, fit with ease. */
  welcomeBytesMax: 262_144,
  /** Writes that a session may have unanswered. Bounds the results a session record must be able to hold. */
  unsettledWritesMax: 8192,
  /** Bytes of unanswered writes of a session. One larger write travels when it is the only one. */
  unsettledBytesMax: 67_108_864,
  /** Requests of any kind that a client may have unanswered; more wait in the client, encoded. */
  unansweredRequestsMax: 16_384,
  /** Operations waiting in a client for a daemon or for room in the window. */
  pendingOperationsMax: 1_000_000,
  /** Bytes of operations waiting in a client. */
  pendingBytesMax: 1_073_741_824,
  /** Replies buffered for a peer that does not read; beyond this its requests are not read either. */
  outgoingBytesMax: 1_048_576,
  /** Operations in one LevelDB batch: keeps the time other sessions wait for it in the low milliseconds. */
  batchOperationsMax: 8192,
  /** Bytes in one LevelDB batch: LevelDB's own write buffer. */
  batchBytesMax: 4_194_304,
  /** Records of sessions whose clients have vanished. Each is a few dozen bytes. */
  recordsMax: 10_000,
  /** Keys that one step of a clear deletes; other sessions' writes go between two steps. */
  clearKeysMax: 1000,
  /** Bytes of keys that one step of a clear deletes. */
  clearBytesMax: 1_048_576,
  /** What one step of a scan reads while another scan waits. classic-level's own default. */
  scanStepBytes: 16_384,
  /** What one step reads otherwise: about a millisecond of the thread pool, and another of the event loop. */
  scanStepAloneBytes: 131_072,
  /** What a step of a scan that is alone reads while there are reads by key: a quarter of a millisecond each. */
  scanStepBesideReadsBytes: 32_768,
  /** What such a scan answers in one frame: encoding it keeps the reads waiting, too. */
  scanAnswerBesideReadsBytes: 65_536,
  /** What clients ask a scan to answer in one frame, unless told otherwise. */
  scanChunkBytes: 65_536,
  /**
   * What they ask for once a scan has turned out to be long: the way there and back costs as much as 100 entries.
   * It fits a socket's buffer (208 KiB on Linux). A reader that is busy with one answer would otherwise
   * find only the beginning of the next, and wait for the rest.
   */
  scanLongChunkBytes: 131_072,
  /** What a client may ask a scan to answer in one frame. */
  scanDemandBytesMax: 16_777_216,
  /** Entries of one step of a scan: small entries must not make a step long. */
  scanStepEntries: 1000,
  /** Iterators that a session may have open. Each pins a snapshot. */
  iteratorsMax: 1024,
  /** Snapshots that a session may hold: a program that takes one for each iterator needs as many. */
  snapshotsMax: 1024,
  /** Single reads of a session that wait in the thread pool. More are left in the socket. */
  readsInFlightMax: 256,
  /** Bytes of values, by what the last ones were like, that a session's waiting reads may come to. */
  readBytesMax: 33_554_432,
  /** Bytes of values that are read in one go, likewise. */
  readGroupBytes: 4_194_304,
  /** Keys of one getMany or hasMany: a million take about a second. */
  keysMax: 1_000_000,
  /** Bytes of one answer frame of a getMany; more values go into further frames. */
  valuesFrameBytes: 1_048_576,
  /** Keys that are read at a time for the checks of a batch: their values may be large. */
  checkGroupKeys: 64,
  /** Watches that a session may have open. Each looks at every change. */
  watchesMax: 1024,
  /** What an answer frame with changes holds before the next one is begun: a chunk of the writer. */
  changesFrameBytes: 65_536,
  /** Bytes that wait for a client when a batch has changes for it. Beyond this they are dropped, and it is told. */
  watchOutgoingBytesMax: 8_388_608,
  /** Bytes of changes that a client keeps for a consumer who is slower than they come. */
  watchBufferBytesMax: 8_388_608,
  /** Connections that have not sent a byte yet. A stock guest is silent until its first operation. */
  silentConnectionsMax: 64,
  /** Connections that wait in the kernel to be accepted. Node's default of 511 is small for a herd. */
  backlog: 1024,
  /** Longest endpoint path: macOS takes 103 bytes, Linux 107, and Node 20 cuts longer ones silently. */
  endpointPathBytesMax: 100,
  /** Daemons that one connect may start. */
  spawnsMax: 3,
  /** Deaths of daemons that an operation may be under way at, without progress. */
  deathsMax: 5,
  /** The daemon's log, which is then moved aside in place of the one before: 10 MiB in all, weeks of a quiet daemon. */
  logBytesMax: 5_242_880,
  /** Lines of the daemon's log that a crash error quotes. */
  crashLogLinesMax: 20,
  /** Slow operations that are logged in a second: when all are slow, more would only fill the log. */
  slowOperationsMax: 5,
  /** Clients that a status describes. Nobody reads more. */
  clientsDescribedMax: 256
} as const

/** Times of the life cycle. */
export const TIMES = {
  /** First wait between two dials. Dialling a dead socket costs microseconds. */
  backoffFirst: 10,
  /** Longest wait between two dials in the first seconds. */
  backoffEarlyMax: 50,
  /** How long a connect counts as early. */
  backoffEarly: 3_000,
  /** Longest wait between two dials after that. */
  backoffMax: 500,
  /** Deadline of `open()`. */
  connect: 15_000,
  /** How long a stop waits for the daemon's end: a drain takes up to 10 s, opening or closing a large database longer. */
  stop: 60_000,
  /** How long an operation may go without progress once its connection is lost. */
  retry: 60_000,
  /** How long a connection with something pending may be silent before a ping, and then before it counts as silent. */
  heartbeat: 5_000,
  /** Longest wait before an update that met another writer tries again, at first … */
  conflictFirst: 1,
  /** … and at most: long enough for dozens of writers of one key, short enough to go unnoticed. */
  conflictMax: 32,
  /** How long an update keeps others of the same process from the same key: many round trips. */
  updateTurn: 250,
  /** How often a client looks whether operations are in trouble. */
  livenessLook: 1_000,
  /** An operation under way when that many daemons died, over at least that long, may be what kills them. */
  daemonLost: 10_000,
  /** How long a daemon waits for a hello after the first byte of a party client. */
  hello: 10_000,
  /** How long a client that finds no token waits for a daemon to leave, which has removed it on its way out. */
  tokenMissing: 500,
  /** How long a daemon that starts waits for another to answer; only an answer counts. */
  probe: 300,
  /** When a spawn lock counts as abandoned. Its time may lie up to a second ahead, so others are held up for 6 s. */
  spawnLockStale: 4_000,
  /** How often a spawn lock is refreshed. */
  spawnLockUpdate: 1_000,
  /** How long a spawned daemon may be silent before it is ready. Each progress line starts it anew. */
  start: 30_000,
  /** Waits before the second and the third spawn of one connect. */
  respawn: [250, 1_000],
  /** How long a starting daemon waits for a partyd that holds LevelDB's lock, perhaps to finish a drain. */
  lockOfDaemon: 10_000,
  /** How long it waits for any other holder. */
  lockOfForeigner: 4_000,
  /** First and longest wait between two looks at the lock. */
  lockPollFirst: 25,
  lockPollMax: 400,
  /** How long an auto-spawned daemon waits for its first client. */
  firstClient: 15_000,
  /** How long an auto-spawned daemon stays without clients. Short: an idle lock blocks other tools. */
  idle: 30_000,
  /** How often a daemon looks whether the location is still its own. */
  fence: 5_000,
  /** How often a daemon that is opening a large log says so. */
  openProgress: 5_000,
  /** How long a client leaves a service that has ended to its manager before it starts a daemon itself. */
  serviceRestart: 3_000,
  /** Daemons that died before they were ready count towards a crash loop for this long … */
  crashWindow: 60_000,
  /** … and then nobody starts another for this long. */
  crashPause: 10_000,
  /** How long a foreign lock holder is taken for granted. */
  lockedPause: 2_000,
  /** How long a location that is being worked on is held, unless it is renewed: whoever does may be killed. */
  hold: 10_000,
  /** How often such a hold is renewed. */
  holdRenew: 2_000,
  /** How long LevelDB's lock must be seen free: a daemon that had not seen the hold has it by then. */
  holdSettle: 250,
  /** How long a hold may last. Nothing is to be left alone by mistake for ever. */
  holdMax: 86_400_000,
  /** How long a draining daemon still answers new connections. */
  acceptTail: 100,
  /** How long a drain waits for its clients; after a second signal; after a third. */
  drain: 10_000,
  drainHurried: 1_000,
  /**
   * How long the clients of a daemon that was killed have to come to the next one before that one stops. Their
   * dials are at most half a second apart; the rest is for a processor that is busy.
   */
  succession: 2_000,
  /** How long the record of a client that has vanished is kept, and how often that is looked at. */
  recordKept: 86_400_000,
  recordSweep: 3_600_000,
  /** When an iterator of a retrying client, left without demand, is closed. The client opens it again. */
  iteratorIdle: 60_000,
  /** How old a snapshot may get. Until it ends LevelDB keeps whatever it sees; no backup takes a day. */
  snapshotKept: 86_400_000,
  /** How often that is looked at. */
  snapshotSweep: 60_000,
  /**
   * From when on an operation is logged as slow. No disk in order takes that long, nor a compaction
   * that writes wait for, so that each such line is worth reading.
   */
  slowOperation: 1_000,
  /** How long a location is held while its daemon is restarted: no drain takes as long. */
  restartHold: 30_000,
  /** How long a command waits for what is only nice to know of a daemon. */
  aside: 2_000,
  /** How often `partyd logs -f` looks for new lines. */
  logPoll: 200
} as const
