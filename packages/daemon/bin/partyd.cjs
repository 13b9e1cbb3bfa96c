#!/usr/bin/env node
// The executable. CommonJS, which starts sooner than modules do; what a client spawns loads no more
// than a daemon needs.
if (process.argv.includes('--auto')) require('../lib/serve.cjs')
else require('../lib/cli.cjs').main(process.argv.slice(2))
