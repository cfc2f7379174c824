// Stands in for vitest, which automerge-repo's acceptance suite imports and which would bring fifty packages: what that one file uses of it,
// and no more. `vitest-hook.mjs` makes the import lead here.
import { partialDeepStrictEqual } from './partial.mjs'

/** What `it` was called with, in order. */
export const collected = []

let group = ''

export function describe(title, define) {
  group = title
  define()
}

export function it(title, run) {
  collected.push({ title: `${group}: ${title}`, run })
}

export function expect(actual) {
  return { toMatchObject: (expected) => partialDeepStrictEqual(actual, expected) }
}
