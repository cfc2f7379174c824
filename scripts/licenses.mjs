// `npm run licenses`: writes THIRD-PARTY-LICENSES.md, the licences of the Rust crates that are compiled into the addon.
// The list is cargo's own: what crates/node reaches through normal dependencies, on any target.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ask, isMain, main, requireRust, root, StepFailed, say } from './lib/steps.mjs'

/** The third-party crates in the addon, as cargo describes them, by name and version. */
export function bundledCrates() {
  const text = ask('cargo', ['metadata', '--locked', '--format-version', '1'])
  if (text === null) throw new StepFailed('cargo metadata failed')
  const { packages, resolve } = JSON.parse(text)
  const byId = new Map(packages.map((one) => [one.id, one]))
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const reached = new Set()
  const visit = (id) => {
    if (reached.has(id)) return
    reached.add(id)
    for (const { pkg, dep_kinds } of nodes.get(id).deps) if (dep_kinds.some(({ kind }) => kind === null)) visit(pkg)
  }
  visit(packages.find(({ name }) => name === 'gaiwan-node').id)
  return [...reached]
    .map((id) => byId.get(id))
    .filter(({ source }) => source !== null)
    .sort((a, b) => a.name.localeCompare(b.name) || a.version.localeCompare(b.version))
}

/** The licence files that a crate ships, as text. */
export function licenceTexts({ manifest_path }) {
  const folder = dirname(manifest_path)
  const names = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && /^(licen[cs]e|copying|notice)/i.test(entry.name),
  )
  return names.map(({ name }) => readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim())
}

/** The whole page: a table of crates, then every distinct text once, numbered. */
export function licencePage(crates) {
  const numbers = new Map()
  const texts = []
  const rows = crates.map((one) => {
    const refs = licenceTexts(one).map((text) => {
      const key = createHash('sha256').update(text.replace(/\s+/g, ' ')).digest('hex')
      if (!numbers.has(key)) numbers.set(key, texts.push(text))
      return `[${numbers.get(key)}](#text-${numbers.get(key)})`
    })
    return `| ${one.name} | ${one.version} | ${one.license ?? 'see text'} | ${refs.join(' ') || 'as named'} |`
  })
  const head = ['# Licences of third-party code', '', 'The native addon of gaiwan contains these Rust crates.', '']
  const table = ['| Crate | Version | Licence | Text |', '|---|---|---|---|', ...rows]
  const bodies = texts.flatMap((text, i) => ['', `## Text ${i + 1}`, '', '```text', text, '```'])
  return `${[...head, ...table, ...bodies].join('\n')}\n`
}

/** Writes the page to the top of the repository, from where it goes into the tarball. */
export function writeLicences() {
  requireRust()
  const crates = bundledCrates()
  writeFileSync(join(root, 'THIRD-PARTY-LICENSES.md'), licencePage(crates))
  say(`wrote THIRD-PARTY-LICENSES.md for ${crates.length} crates`)
}

if (isMain(import.meta.url)) await main(async () => writeLicences())
