export { LevelError, PartyError, type PartyErrorCode } from '@partyd/shared'
export type { PartyOptions, SpawnOptions } from './options.js'
export { PartyLevel, PartyLevel as Level } from './party-level.js'
export type * from './types.js'
