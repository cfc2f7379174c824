// Names in a collection that may become paths: the rules of safe export, checked before anything is fetched or written.
// They agree with `crates/blobs/src/proto/names.rs`, which checks again when files are written.
import { GaiwanError } from '../../index.js'
import { printable } from '../output.js'

/** 'everywhere': good on any platform. 'unix': on all but Windows, which forbids more. */
export type NameRules = 'everywhere' | 'unix'

/** Those of the system that we run on. */
export const HERE: NameRules = process.platform === 'win32' ? 'everywhere' : 'unix'

const MAX_NAME_BYTES = 4_096
const MAX_COMPONENT_BYTES = 255
const MAX_DEPTH = 128
/** Characters that some file systems overlook when they compare names. */
const INVISIBLE = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/gu
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/i

/** What is wrong with one name, as `it …`; null if nothing is. */
export function nameProblem(name: string, rules: NameRules): string | null {
  if (name === '') return 'is empty'
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `has more than ${MAX_NAME_BYTES} bytes`
  if (name.startsWith('/')) return 'is absolute'
  if (/\p{Cc}/u.test(name)) return 'has a control character'
  const [forbidden] = (rules === 'everywhere' ? /[\\:<>"|?*]/ : /[\\:]/).exec(name) ?? []
  if (forbidden !== undefined) return `has a ${forbidden}`
  const components = name.split('/')
  if (components.length > MAX_DEPTH) return `has more than ${MAX_DEPTH} components`
  for (const component of components) {
    const problem = componentProblem(component, rules)
    if (problem !== null) return problem
  }
  return null
}

function componentProblem(component: string, rules: NameRules): string | null {
  if (component === '') return 'has an empty component'
  if (Buffer.byteLength(component) > MAX_COMPONENT_BYTES) return `has a component of more than ${MAX_COMPONENT_BYTES} bytes`
  if (['', '.', '..'].includes(component.replace(INVISIBLE, ''))) return 'has a component that leads elsewhere'
  if (rules === 'unix') return null
  if (DEVICE.test(component)) return 'has a component that is a device on Windows'
  return /[. ]$/.test(component) ? 'has a component that ends with a dot or a space' : null
}

/**
 * Checks all names by themselves and against each other: no two may be one file where case or the form of accents does not
 * count, and none may be a folder of another.
 *
 * @throws {GaiwanError} `UNSAFE_NAME`, with the first name that is bad.
 */
export function checkNames(names: readonly string[], rules: NameRules = HERE): void {
  for (const name of names) {
    const problem = nameProblem(name, rules)
    if (problem !== null) throw unsafe(name, problem)
  }
  const folded = names.map((name) => ({ name, key: fold(name) })).sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  for (const [n, { name, key }] of folded.entries()) {
    const before = folded[n - 1]
    if (before === undefined) continue
    if (before.key === key) throw unsafe(name, `is the same file as ${shown(before.name)} on some systems`)
    // The separator sorts before everything else, so what lies within a name follows it at once.
    if (key.startsWith(`${before.key}\0`)) throw unsafe(before.name, `is also a folder, of ${shown(name)}`)
  }
}

/** A name as the most careless file system sees it, its components parted by NUL. */
export function fold(name: string): string {
  const letters = [...name.normalize('NFD').replace(INVISIBLE, '')].map((letter) => {
    const lower = letter.toLowerCase()
    // Through upper case, so that ß meets ss and ς meets σ; the dotless i stays apart from i.
    return lower === 'ı' ? lower : [...lower.toUpperCase()].map((upper) => upper.toLowerCase()).join('')
  })
  return letters.join('').normalize('NFD').replaceAll('/', '\0')
}

function unsafe(name: string, problem: string): GaiwanError {
  return new GaiwanError('UNSAFE_NAME', `the name ${shown(name)} ${problem}`)
}

function shown(name: string): string {
  const text = JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name)
  return printable(text)
}
