// Puts what every process loads into few files: dozens of modules, each found and read by itself, cost
// more than Node's own start. Runs after the compiler, on what it has made; the types stay where they are.

import { readFileSync, rmSync } from 'node:fs'
import { build } from 'esbuild'

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  // Readable in a debugger, but for the indentation.
  minifyWhitespace: true,
  lineLimit: 120,
  logLevel: 'warning'
}

/** What the package of the daemon depends on, and `partyd/entry`, by which its client finds it. */
const { dependencies } = JSON.parse(readFileSync('packages/daemon/package.json', 'utf8'))
const EXTERNAL = [
  'partyd',
  ...Object.keys(dependencies).filter((name) => name !== '@partyd/shared')
]

/** Modules for anybody to import: one file for each entry, and one for what they share. */
async function bundleModules(directory, entries) {
  rmSync(`${directory}/lib`, { recursive: true, force: true })
  await build({
    ...common,
    format: 'esm',
    splitting: true,
    entryPoints: entries.map((name) => `${directory}/dist/${name}.js`),
    outdir: `${directory}/lib`,
    chunkNames: 'chunk-[hash]'
  })
}

/**
 * The daemon that is spawned, and the command line. CommonJS, which starts without Node's loader for
 * modules. The command line is a client, too: the client's files are taken in, because a package that
 * depends on one that depends on it is hard to install in parts.
 */
async function bundlePrograms(names) {
  rmSync('packages/daemon/lib', { recursive: true, force: true })
  await build({
    ...common,
    format: 'cjs',
    entryPoints: names.map((name) => `packages/daemon/dist/${name}.js`),
    outdir: 'packages/daemon/lib',
    outExtension: { '.js': '.cjs' },
    packages: 'bundle',
    external: EXTERNAL,
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href" },
    define: { 'import.meta.url': 'importMetaUrl' }
  })
}

await bundleModules('packages/shared', ['index'])
await bundleModules('packages/client', ['index', 'level-party', 'many-level'])
await bundlePrograms(['serve', 'cli'])
