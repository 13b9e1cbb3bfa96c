#!/usr/bin/env node
// The executable. CommonJS so that it starts nothing before main() decides what is needed.
import('../dist/cli.js').then(({ main }) => main(process.argv.slice(2)))
