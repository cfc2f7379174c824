// The shape of a service as one hash, so that a test can tell when the wire has changed.
import { createHash } from 'node:crypto'
import { type AnyCodec, shapeOf } from '../wire/postcard/codec.js'
import type { Plan } from './plan.js'

/** SHA-256 of the canonical text of a service: 64 hex digits. Names of methods and fields count, names of codecs do not. */
export function fingerprint(names: readonly string[], plans: readonly (Plan | null)[], spans: boolean): string {
  const lines = names.map((name, n) => {
    const plan = plans[n]
    if (plan === null || plan === undefined) return `${name} reserved`
    const channel = (kind: string, item: AnyCodec | null) => (item === null ? kind : `${kind} ${shapeText(item)}`)
    return `${name} ${shapeText(plan.request)} | ${channel(plan.updates, plan.update)} | ${channel(plan.answers, plan.answer)}`
  })
  return createHash('sha256')
    .update([spans ? 'spans' : 'plain', ...lines].join('\n'))
    .digest('hex')
}

/** A codec as text, with the knots of recursion as how many levels up they go. */
export function shapeText(codec: AnyCodec, open: readonly AnyCodec[] = []): string {
  const shape = shapeOf(codec)
  const inner = (of: AnyCodec, from = open) => shapeText(of, from)
  const fields = (list: readonly (readonly [string, AnyCodec])[]) =>
    list.map(([name, of]) => `${JSON.stringify(name)}:${inner(of)}`).join(',')
  switch (shape.kind) {
    case 'fixedBytes':
      return `fixedBytes(${shape.length})`
    case 'option':
    case 'seq':
    case 'set':
      return `${shape.kind}(${inner(shape.item)})`
    case 'array':
      return `array(${inner(shape.item)},${shape.length})`
    case 'tuple':
      return `tuple(${shape.items.map((item) => inner(item)).join(',')})`
    case 'map':
      return `map(${inner(shape.key)},${inner(shape.value)})`
    case 'struct':
      return `struct(${fields(shape.fields)})`
    case 'enum':
      return `enum(${fields(shape.variants)})`
    case 'result':
      return `result(${inner(shape.ok)},${inner(shape.err)})`
    case 'named':
      return shape.name
    case 'lazy': {
      const at = open.lastIndexOf(codec)
      return at >= 0 ? `up(${open.length - at})` : inner(shape.get(), [...open, codec])
    }
    default:
      return shape.kind
  }
}
