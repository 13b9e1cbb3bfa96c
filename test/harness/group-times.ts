// Prints how long each group of tests took, for the budgets in CONTRIBUTING.md.

import { relative, sep } from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'

export default class GroupTimes implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const seconds = new Map<string, number>()
    for (const module of modules) {
      const group = relative(import.meta.dirname, module.moduleId).split(sep)[1] ?? ''
      const duration = module.diagnostic().duration / 1000
      seconds.set(group, (seconds.get(group) ?? 0) + duration)
    }
    for (const [group, total] of [...seconds].sort()) {
      console.log(`${group}: ${total.toFixed(1)} s of tests`)
    }
  }
}
