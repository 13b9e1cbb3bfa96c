// y-leveldb's own declarations cannot be found by way of its exports.

declare module 'y-leveldb' {
  import type { Doc } from 'yjs'

  export class LeveldbPersistence {
    constructor(location: string, options?: { Level?: unknown; levelOptions?: object })
    storeUpdate(name: string, update: Uint8Array): Promise<number>
    getYDoc(name: string): Promise<Doc>
    getStateVector(name: string): Promise<Uint8Array>
    getDiff(name: string, stateVector: Uint8Array): Promise<Uint8Array>
    getMeta(name: string, key: string): Promise<unknown>
    getAllDocNames(): Promise<string[]>
    flushDocument(name: string): Promise<void>
    clearDocument(name: string): Promise<void>
    destroy(): Promise<void>
  }
}
