// Puts what every process loads into few files: dozens of modules, each found and read by itself, cost
// more than Node's own start. Runs after the compiler, on what it has made; the types stay where they are.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
    chunkNames: 'chunk-[hash]',
    plugins: [builtinsWithoutFacade]
  })
}

/**
 * Node's own modules, but not by `import`: to list their exports Node would read each, and so load what
 * they keep for later, such as readline in fs and the Web's cryptography in crypto.
 */
const builtinsWithoutFacade = {
  name: 'builtins-without-facade',
  setup({ onLoad }) {
    const imports = /^import (\w+|\{.+\}) from '(node:[\w/]+)';$/gm
    onLoad({ filter: /packages\/\w+\/dist\/.+\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(
        imports,
        (_, names, name) =>
          `const ${names.replaceAll(' as ', ': ')} = process.getBuiltinModule('${name}');`
      )
    }))
  }
}

/**
 * The daemon that is spawned, and the command line. CommonJS, which starts without Node's loader for
 * modules. The command line is a client, too: the client's files are taken in, because a package that
 * depends on one that depends on it is hard to install in parts.
 */
async function bundleProgram(name, { external, plugins = [] }) {
  const { metafile } = await build({
    ...common,
    format: 'cjs',
    entryPoints: [`packages/daemon/dist/${name}.js`],
    outfile: `packages/daemon/lib/${name}.cjs`,
    packages: 'bundle',
    external,
    plugins,
    metafile: true,
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href" },
    define: { 'import.meta.url': 'importMetaUrl' }
  })
  return Object.keys(metafile.inputs)
}

/** Native code stays where it was installed. */
const nativeOutside = {
  name: 'native-outside',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/binding$/ }, () => ({
      path: 'classic-level/binding.js',
      external: true
    }))
  }
}

/** The licences of others' packages that these files are from, which go wherever the files go. */
function collectLicences(paths) {
  const folders = paths.map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
  return [...new Set(folders)].filter(Boolean).sort().map(readLicence).join('\n\n')
}

function readLicence(folder) {
  const { name, version } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  if (file === undefined) throw new Error(`${folder} has no licence`)
  return `${name} ${version}\n\n${readFileSync(`${folder}/${file}`, 'utf8').trim()}\n`
}

await bundleModules('packages/shared', ['index'])
await bundleModules('packages/client', ['index', 'level-party', 'many-level'])

rmSync('packages/daemon/lib', { recursive: true, force: true })
await bundleProgram('cli', { external: EXTERNAL })
const taken = await bundleProgram('serve', {
  // Whoever waits for a daemon waits for it to find and read thirty files of these two.
  external: EXTERNAL.filter((name) => !['classic-level', 'abstract-level'].includes(name)),
  plugins: [nativeOutside]
})
writeFileSync('packages/daemon/lib/LICENSES.txt', collectLicences(taken))
