// The way from the facade to the loader. CommonJS with a literal `require`, because that is what a bundler follows; through
// `createRequire(import.meta.url)` it sees nothing.
import nodeModule = require('node:module')

type Addon = typeof import('../index.js', { with: { 'resolution-mode': 'import' }})

/** What this file is called while it is one of the package's; in a bundle its name is that of the bundle, or it has none. */
const OWN = /^(?:[/\\]|[A-Za-z]:).*[/\\](?:dist[/\\]addon\.cjs|ts[/\\]addon\.cts)$/

/** Loads the addon; throws what the loader throws. */
function load(): Addon {
  // Hooks such as those of tsx give imported CommonJS another `require`, which on Node.js 20 cannot read JSON. The loader needs Node's own.
  if (typeof __filename === 'string' && OWN.test(__filename)) return nodeModule.createRequire(__filename)('../index.cjs')
  return require('../index.cjs')
}

export = { load }
