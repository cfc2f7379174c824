// A collection as a directory: a plain page for people, JSON for programs. Piece by piece, since there may be many names.
import type { CollectionEntry } from '../index.js'

export type ListingForm = 'html' | 'json'

/** What to list. */
export interface Listing {
  readonly hash: string
  /** `''` for the root, else a directory's name without a slash at its end. */
  readonly directory: string
  /** All entries below the directory, names whole. */
  readonly entries: readonly CollectionEntry[]
  /** Whether the URL ended with a slash: links are relative, so that a gateway can stand anywhere. */
  readonly slash: boolean
}

/** Styles are ours; nothing else may load, and nobody may frame it. */
export const LISTING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
export const LISTING_TYPES: Readonly<Record<ListingForm, string>> = { html: 'text/html; charset=utf-8', json: 'application/json' }

/** Entries that lie below `directory`; null if there is no such directory. The root is always there. */
export function below(entries: readonly CollectionEntry[], directory: string): readonly CollectionEntry[] | null {
  if (directory === '') return entries
  const found = entries.filter(({ name }) => name.startsWith(`${directory}/`))
  return found.length === 0 ? null : found
}

/** Which form the header `Accept` prefers (RFC 9110, section 12.5.1); people get what is left open. */
export function preferred(accept: string | undefined): ListingForm {
  return quality(accept, 'application', 'json') > quality(accept, 'text', 'html') ? 'json' : 'html'
}

/** The weight of a type: that of the most specific range which has it, 0 if none does. */
function quality(accept: string | undefined, type: string, subtype: string): number {
  if (accept === undefined) return 1
  let best = { specific: -1, weight: 0 }
  for (const part of accept.split(',')) {
    const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    const specific = ['*/*', `${type}/*`, `${type}/${subtype}`].indexOf(range)
    if (specific <= best.specific) continue
    const given = parameters.find((one) => /^q\s*=/.test(one))
    const weight = given === undefined ? 1 : Number(given.replace(/^q\s*=\s*/, ''))
    best = { specific, weight: Number.isFinite(weight) ? weight : 0 }
  }
  return best.weight
}

/** The listing in text, in pieces of some kilobytes. */
export function* render(listing: Listing, form: ListingForm): Generator<string> {
  let piece = ''
  for (const line of form === 'html' ? htmlLines(listing) : jsonLines(listing)) {
    piece += line
    if (piece.length < 16_384) continue
    yield piece
    piece = ''
  }
  yield piece
}

/** `{"hash":…,"directory":…,"entries":[{"name":…,"hash":…,"size":…},…]}`; names are whole, from the root on. */
function* jsonLines({ hash, directory, entries }: Listing): Generator<string> {
  yield `{"hash":${JSON.stringify(hash)},"directory":${JSON.stringify(directory)},"entries":[`
  for (const [n, { name, hash, size }] of entries.entries()) yield `${n === 0 ? '' : ','}\n${JSON.stringify({ name, hash, size })}`
  yield '\n]}\n'
}

function* htmlLines(listing: Listing): Generator<string> {
  const title = escaped(`/${listing.directory === '' ? '' : `${listing.directory}/`}`)
  yield `<!doctype html>\n<meta charset="utf-8">\n<title>${title}</title>\n`
  yield '<style>body{font:16px/1.5 system-ui,sans-serif;margin:2em;max-width:60em}td{padding:0 2em 0 0}td:nth-child(2){text-align:right}</style>\n'
  yield `<h1>${title}</h1>\n<p><code>${listing.hash}</code></p>\n<table>\n`
  if (listing.directory !== '') yield `<tr><td><a href="${listing.slash ? '../' : './'}">../</a></td><td></td></tr>\n`
  for (const { name, href, size } of rows(listing)) {
    yield `<tr><td><a href="${href}">${escaped(name)}</a></td><td>${size === null ? '' : size.toLocaleString('en')}</td></tr>\n`
  }
  yield '</table>\n'
}

/**
 * One level of the directory: folders first, each once, then files. Links are relative and begin with `./`, so that no name is
 * taken for a scheme. Browsers go up at `..` however it is written: an entry of that name has no link that works.
 */
function rows({ hash, directory, entries, slash }: Listing): Array<{ name: string; href: string; size: number | null }> {
  const skip = directory === '' ? 0 : directory.length + 1
  const here = slash ? './' : `./${encodeURIComponent(directory === '' ? hash : directory.slice(directory.lastIndexOf('/') + 1))}/`
  const folders = new Set<string>()
  const files: Array<{ name: string; href: string; size: number | null }> = []
  for (const { name, size } of entries) {
    const rest = name.slice(skip)
    const end = rest.indexOf('/')
    if (end !== -1) folders.add(rest.slice(0, end))
    else files.push({ name: rest, href: `${here}${encodeURIComponent(rest)}`, size })
  }
  return [...[...folders].map((name) => ({ name: `${name}/`, href: `${here}${encodeURIComponent(name)}/`, size: null })), ...files]
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char]!)
}
