// Fairness between scans: one step at a time in the thread pool, in turn. Six scanners that read
// at will take a point read's 99th percentile from 0.35 to 34 ms.

/** A scan with entries to read. */
export interface Scan {
  /**
   * Reads once. Never rejects: an error is the scan's own to report.
   * @param alone whether no other scan waits, so that this one may answer more at once.
   * @returns whether it wants another turn.
   */
  step(isAlone: () => boolean): Promise<boolean>
}

export class ScanQueue {
  readonly #waiting: Scan[] = []
  #running = false

  /** Gives the scan its turn, and further ones for as long as it wants. */
  add(scan: Scan): void {
    this.#waiting.push(scan)
    if (!this.#running) void this.#run()
  }

  readonly #isAlone = (): boolean => this.#waiting.length === 0

  async #run(): Promise<void> {
    this.#running = true
    for (let scan = this.#waiting.shift(); scan !== undefined; scan = this.#waiting.shift()) {
      if (await scan.step(this.#isAlone)) this.#waiting.push(scan)
    }
    this.#running = false
  }
}
