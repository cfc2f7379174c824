// A hook of the module loader: `vitest` means the file beside this one.
export function resolve(specifier, context, next) {
  if (specifier !== 'vitest') return next(specifier, context)
  return { url: new URL('vitest.mjs', import.meta.url).href, shortCircuit: true }
}
