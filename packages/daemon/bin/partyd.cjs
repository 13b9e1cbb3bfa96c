#!/usr/bin/env node
// The executable. CommonJS, which starts sooner than modules do; what a client spawns loads no more
// than a daemon needs.
const list = process.argv.slice(2)
if (list[0] === 'serve' && list.includes('--auto')) require('../lib/serve.cjs')
else require('../lib/cli.cjs').main(list)
