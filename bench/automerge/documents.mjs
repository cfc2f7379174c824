/** Documents for the bench, made once for a run and kept in a file each. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as Automerge from '@automerge/automerge'

const FOLDER = join(tmpdir(), 'gaiwan-bench-automerge')
/** Edits in a row of one page, and how many pages there are: JavaScript copies what it edits, so neither may be long. */
const PAGE = 200
const PAGES = 200
const WORDS = ['sencha', 'oolong', 'assam', 'gyokuro', 'matcha', 'keemun']

/**
 * A document as `save` gives it: so many changes of one edit each, a third into lists, the rest into maps of 100 entries.
 * @param {number} changes
 * @param {number} seed makes it another document
 * @returns {Uint8Array}
 */
export function document(changes, seed = 0) {
  const name = createHash('sha256').update(`1 ${changes} ${seed}`).digest('hex').slice(0, 16)
  const file = join(FOLDER, name)
  if (existsSync(file)) return readFileSync(file)
  let doc = Automerge.from({ pages: {} }, { actor: createHash('sha256').update(`actor ${seed}`).digest('hex').slice(0, 32) })
  for (let n = 1; n < changes; n++) {
    doc = Automerge.change(doc, { time: n }, (it) => {
      const name = `page ${Math.floor(n / PAGE) % PAGES}`
      it.pages[name] ??= { cups: {}, log: [] }
      if (n % 3 === 0) it.pages[name].log.push(`${WORDS[n % WORDS.length]} ${n}`)
      else it.pages[name].cups[`cup ${n % 100}`] = n
    })
  }
  const bytes = Automerge.save(doc)
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(`${file}.part`, bytes)
  renameSync(`${file}.part`, file)
  return bytes
}
