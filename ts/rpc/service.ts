// A protocol: its methods in the order of the wire.
import { boolean, options as checkOptions } from '../wire/check.js'
import { type Method, MethodDefinition, type Reserved, traitsOf } from './method.js'
import { type Plan, planOf } from './plan.js'
import { fingerprint } from './fingerprint.js'
import { rustOf } from './to-rust.js'

export type Methods = { readonly [name: string]: Method | Reserved }
/** Names that a client object needs for itself. */
export type Taken = 'close' | 'then'
export interface Service<M extends Methods = Methods> {
  readonly methods: M
  /** Hash of the shape, for snapshot tests; not on the wire. */
  readonly fingerprint: string
  /** The Rust enum to compare with. */
  toRust(name?: string): string
}

/** What only this room sees of a service. */
export interface Definition {
  /** By variant index; null where it is reserved. */
  readonly plans: readonly (Plan | null)[]
  readonly spans: boolean
}

const TAKEN = new Set(['close', 'then'])
const definitions = new WeakMap<object, Definition>()

/**
 * Key order is the order of the Rust variants: the wire. `spans`: requests carry trace context, at both ends or none [false].
 *
 * @throws {TypeError} for a name that the client object needs, a key that JavaScript would move, a method that is not where its `at` says.
 *
 * @example
 * ```ts
 * const Tea = service({
 *   Get: unary(struct({ key: str }), option(str)).at(0).idempotent(),
 *   List: serverStream(unit, tuple(str, u64)),
 *   Log: notify(str),
 * })
 * ```
 */
export function service<const M extends Methods>(
  methods: M & { readonly [K in Taken]?: never },
  options?: { readonly spans?: boolean },
): Service<M> {
  if (typeof methods !== 'object' || methods === null) throw new TypeError('methods: expected an object')
  const { spans = false } = checkOptions(options)
  boolean(spans, 'spans')
  const names = Object.keys(methods)
  const plans = names.map((name, index) => variant(name, index, (methods as Methods)[name]))
  const made: Service<M> = Object.freeze({
    methods: Object.freeze({ ...methods }) as M,
    get fingerprint(): string {
      return fingerprint(names, plans, spans)
    },
    toRust: (name = 'Protocol') => rustOf(name, names, plans, spans),
  })
  definitions.set(made, { plans, spans })
  return made
}

function variant(name: string, index: number, of: unknown): Plan | null {
  if (TAKEN.has(name)) throw new TypeError(`methods.${name}: the client object needs this name`)
  if (/^(0|[1-9]\d*)$/.test(name)) throw new TypeError(`methods.${name}: JavaScript would move a key that looks like an integer`)
  if (of instanceof MethodDefinition) {
    const at = traitsOf(of).index
    if (at !== null && at !== index) throw new TypeError(`methods.${name}: it says at(${at}) and is at ${index}`)
    return planOf(name, index, of)
  }
  if ((of as Reserved | undefined)?.reserved === true) return null
  throw new TypeError(`methods.${name}: expected a method or reserved()`)
}

/** @throws {TypeError} for what `service` did not make */
export function definitionOf(of: Service): Definition {
  const found = typeof of === 'object' && of !== null ? definitions.get(of) : undefined
  if (found === undefined) throw new TypeError('service: expected what service() makes')
  return found
}
