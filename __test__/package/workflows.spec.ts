// What the release workflow promises, read from its text: nothing is published by accident, and nothing runs that nobody pinned.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { targets } from '../../scripts/lib/targets.mjs'
import { top } from './folders.js'

const folder = join(top, '.github/workflows')
const workflows = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
const release = workflows.get('release.yml')!
const publish = release.slice(release.indexOf('\n  publish:'))

test('every action is one of GitHub, pinned by its major version or by a commit', (t) => {
  for (const [name, text] of workflows) {
    const used = [...text.matchAll(/uses: (\S+)/g)].map(([, action]) => action!)
    t.true(used.length > 0, name)
    for (const action of used) t.regex(action, /^(actions\/[a-z-]+@(v\d+|[0-9a-f]{40})|\.\/\.github\/workflows\/ci\.yml)$/, name)
  }
})

test('workflows may read the sources and nothing more; the job that publishes may prove who it is', (t) => {
  for (const [name, text] of workflows) t.regex(text, /^permissions:\n {2}contents: read\n/m, name)
  t.deepEqual(release.match(/\S+: write/g), ['id-token: write'])
  t.true(publish.includes('id-token: write'))
})

test('publishing takes a tag, an approval and a variable, and has provenance; the platform packages go first', (t) => {
  t.is(release.match(/npm publish/g)?.length, 2, 'the command, and the comment at the top')
  t.regex(publish, /if: startsWith\(github\.ref, 'refs\/tags\/v'\)/)
  t.regex(publish, /environment: npm/)
  t.regex(publish, /vars\.PUBLISH == 'yes' && ' ' \|\| '--dry-run'/)
  t.regex(
    publish,
    /for file in packed\/gaiwan-\*-"\$version"\.tgz "\$main"; do\n\s+npm publish "\$file" --provenance --access public \$DRY\n/,
  )
  t.notRegex(release, /NODE_AUTH_TOKEN|secrets\./, 'trusted publishing needs no secret')
})

test('deny.toml looks at the crates of every target', (t) => {
  const text = readFileSync(join(top, 'deny.toml'), 'utf8')
  for (const { rust } of targets) t.true(text.includes(`"${rust}"`), rust)
})

test('Windows is built for every Windows target', (t) => {
  for (const { triple, os } of targets) t.is(release.includes(`triple: ${triple} }`), os === 'win32', triple)
})
