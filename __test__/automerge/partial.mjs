// node's assert.partialDeepStrictEqual is younger than the oldest node that is supported.
import assert from 'node:assert'

/** Throws unless `actual` has all that `expected` has, at any depth. */
export function partialDeepStrictEqual(actual, expected, path = 'it') {
  if (typeof expected !== 'object' || expected === null) return assert.deepStrictEqual(actual, expected, path)
  assert.ok(typeof actual === 'object' && actual !== null, `${path} is no object`)
  for (const key of Object.keys(expected)) partialDeepStrictEqual(actual[key], expected[key], `${path}.${key}`)
}
