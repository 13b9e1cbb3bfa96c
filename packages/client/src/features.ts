// What of the protocol a request needs beyond what every daemon speaks. An older daemon must not get
// it: at best it would not know the kind, at worst it would read the flags it does not know as data.

import { CLEAR_FLAGS, ITERATOR_FLAGS, KIND, PartyError, READ_FLAGS } from '@partyd/shared'
import { operationName } from './operation-errors.js'
import type { Request } from './request.js'

/** The feature that brings a kind. */
const KIND_FEATURES: Readonly<Record<number, string>> = {
  [KIND.hasMany]: 'hasMany',
  [KIND.snapshotOpen]: 'snapshots',
  [KIND.snapshotClose]: 'snapshots',
  [KIND.status]: 'properties',
  [KIND.approximateSize]: 'properties',
  [KIND.compactRange]: 'properties',
  [KIND.getProperty]: 'properties',
  [KIND.atomic]: 'atomic',
  [KIND.watchOpen]: 'watch',
  [KIND.watchClose]: 'watch'
}

/** Where in a frame the flags are, by its kind, and the flag that says that a snapshot is named. */
const SNAPSHOT_FLAGS: Readonly<Record<number, readonly [offset: number, flag: number]>> = {
  [KIND.get]: [9, READ_FLAGS.snapshot],
  [KIND.getMany]: [9, READ_FLAGS.snapshot],
  [KIND.has]: [9, READ_FLAGS.snapshot],
  [KIND.hasMany]: [9, READ_FLAGS.snapshot],
  [KIND.clear]: [25, CLEAR_FLAGS.snapshot],
  [KIND.iteratorOpen]: [13, ITERATOR_FLAGS.snapshot]
}

/** The feature that the request needs, if it needs one. */
export function featureOf({ kind, chunk, start }: Request): string | undefined {
  const [offset, flag] = SNAPSHOT_FLAGS[kind] ?? [0, 0]
  return ((chunk[start + offset] as number) & flag) === 0 ? KIND_FEATURES[kind] : 'snapshots'
}

export function featureMissing(kind: number, feature: string): PartyError {
  const operation = operationName(kind)
  const message = `The daemon that serves this location is older than this client and cannot do ${operation}() (it lacks '${feature}'). Update partyd, and stop the daemon with: partyd stop.`
  return new PartyError('PARTYD_INCOMPATIBLE', message, { operation })
}
