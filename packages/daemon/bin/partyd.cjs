#!/usr/bin/env node
// The executable. A daemon that a client spawns takes the short way; CommonJS, so that it can.
if (process.argv.includes('--auto')) require('../lib/serve.cjs')
else import('../lib/cli.js').then(({ main }) => main(process.argv.slice(2)))
