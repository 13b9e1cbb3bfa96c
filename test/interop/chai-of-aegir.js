// What interface-datastore-tests takes from aegir, a whole build system: chai that awaits promises,
// and whose `true` and `false` may be called.

import chaiAsPromised from 'chai-as-promised'
import { chai } from 'vitest'

chai.use(chaiAsPromised)
for (const name of ['true', 'false']) {
  chai.Assertion.overwriteProperty(
    name,
    (check) =>
      function () {
        check.call(this)
        return () => this
      }
  )
}

export const expect = chai.expect
