// Tells whether a built thing is still what its sources say, by a hash over the sources' names and bytes.
// Times are not asked: a fresh clone, a copy or a branch switch changes them without changing a byte.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './steps.mjs'

// `tests` are cargo's integration tests: no part of what is built.
const SKIPPED = new Set(['node_modules', 'target', '.git', 'tests'])

function* files(path) {
  const full = join(root, path)
  if (!existsSync(full)) return
  if (!statSync(full).isDirectory()) return yield path
  for (const name of readdirSync(full).sort()) if (!SKIPPED.has(name)) yield* files(`${path}/${name}`)
}

/** SHA-256 (hex) over the files beneath `paths`, which are relative to the top; what does not exist is left out. */
export function fingerprint(paths) {
  const hash = createHash('sha256')
  for (const path of paths) {
    for (const file of files(path)) {
      const bytes = readFileSync(join(root, file))
      hash.update(`${file}\0${bytes.length}\0`).update(bytes)
    }
  }
  return hash.digest('hex')
}

/**
 * One thing that is built from sources: `inputs` in, `outputs` out, with the inputs' fingerprint of the last build in `stamp`.
 * All paths are relative to the top of the repository.
 */
export class Built {
  constructor({ stamp, inputs, outputs }) {
    this.stamp = join(root, stamp)
    this.inputs = inputs
    this.outputs = outputs
  }

  /** Whether every output exists and was built from the inputs as they are now. */
  get fresh() {
    if (!this.outputs.every((path) => existsSync(join(root, path)))) return false
    return existsSync(this.stamp) && readFileSync(this.stamp, 'utf8') === fingerprint(this.inputs)
  }

  /** Remembers that the outputs come from inputs with this fingerprint, which the caller takes before it builds. */
  mark(print) {
    mkdirSync(dirname(this.stamp), { recursive: true })
    writeFileSync(this.stamp, print)
  }
}
