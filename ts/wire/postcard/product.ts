// Several of different kinds, nothing between them: tuples and structs.
import { fail, within } from '../failure.js'
import type { Reader } from '../reader.js'
import type { Writer } from '../writer.js'
import {
  type AnyCodec,
  type Codec,
  Coder,
  codec,
  coderOf,
  type Infer,
  type Input,
  isOption,
  kindOf,
  type Named,
  nameOf,
  type Shape,
} from './codec.js'

type Show<T> = { [K in keyof T]: T[K] } & {}
export type Fields = { readonly [name: string]: AnyCodec }
type OptionalKey<F extends Fields> = { [K in keyof F]: F[K] extends { readonly option: true } ? K : never }[keyof F]
export type StructOut<F extends Fields> = Show<
  { [K in Exclude<keyof F, OptionalKey<F>>]: Infer<F[K]> } & { [K in OptionalKey<F>]?: Infer<F[K]> }
>
export type StructIn<F extends Fields> = Show<
  { readonly [K in Exclude<keyof F, OptionalKey<F>>]: Input<F[K]> } & { readonly [K in OptionalKey<F>]?: Input<F[K]> }
>
export type TupleOut<T extends readonly AnyCodec[]> = { -readonly [I in keyof T]: Infer<T[I]> }
export type TupleIn<T extends readonly AnyCodec[]> = { readonly [I in keyof T]: Input<T[I]> }

type Any = Coder<unknown, unknown>

function sumOfMinBytes(parts: readonly Any[]): number {
  return parts.reduce((sum, part) => sum + part.minBytes, 0)
}

class Tuple extends Coder<unknown[], readonly unknown[]> {
  readonly name: string
  readonly shape: Shape
  readonly #items: readonly Any[]

  constructor(items: readonly AnyCodec[]) {
    super()
    this.#items = items.map((item, n) => coderOf<AnyCodec>(item, `items[${n}]`) as Any)
    this.name = nameOf(
      'tuple',
      this.#items.map((item) => item.name),
    )
    this.shape = { kind: 'tuple', items: Object.freeze([...items]) }
  }

  protected least(): number {
    return sumOfMinBytes(this.#items)
  }

  write(writer: Writer, value: readonly unknown[]): void {
    const items = this.#items
    if (!Array.isArray(value)) fail(`${kindOf(value)} is not an array`)
    if (value.length !== items.length) fail(`${value.length} items, expected ${items.length}`)
    let n = 0
    try {
      for (; n < items.length; n++) (items[n] as Any).write(writer, value[n])
    } catch (thrown) {
      throw within(thrown, `[${n}]`)
    }
  }

  read(reader: Reader): unknown[] {
    const items = this.#items
    const value = new Array<unknown>(items.length)
    let n = 0
    try {
      for (; n < items.length; n++) value[n] = (items[n] as Any).read(reader)
    } catch (thrown) {
      throw within(thrown, `[${n}]`)
    }
    return value
  }
}

class Struct extends Coder<object, object> {
  readonly name: string
  readonly shape: Shape
  readonly #keys: readonly string[]
  readonly #coders: readonly Any[]
  readonly #optional: readonly boolean[]
  /** Keys that every object inherits, such as `toString`: they count only as own properties. */
  readonly #inherited: ReadonlySet<string>
  /** Makes plain objects; a function for each struct gives the engine a shape for each. */
  readonly #Plain: new () => Record<string, unknown>

  constructor(fields: Fields) {
    super()
    const named = namedParts(fields, 'fields')
    this.#keys = named.map(([key]) => key)
    this.#coders = named.map(([key, part]) => coderOf<AnyCodec>(part, `fields.${key}`) as Any)
    this.#optional = named.map(([, part]) => isOption(part))
    this.#inherited = new Set(this.#keys.filter((key) => key in Object.prototype))
    this.name = nameOf('struct', this.#keys)
    this.shape = { kind: 'struct', fields: named }
    function Plain(): void {}
    Plain.prototype = Object.prototype
    this.#Plain = Plain as unknown as new () => Record<string, unknown>
  }

  protected least(): number {
    return sumOfMinBytes(this.#coders)
  }

  write(writer: Writer, value: object): void {
    if (typeof value !== 'object' || value === null) fail(`${kindOf(value)} is not an object`)
    const keys = this.#keys
    const coders = this.#coders
    const from = this.#inherited.size > 0 ? this.#own(value) : (value as Record<string, unknown>)
    let n = 0
    try {
      for (; n < keys.length; n++) (coders[n] as Any).write(writer, from[keys[n] as string])
    } catch (thrown) {
      throw within(thrown, `.${keys[n]}`)
    }
  }

  read(reader: Reader): object {
    const keys = this.#keys
    const coders = this.#coders
    const optional = this.#optional
    const value = new this.#Plain()
    let n = 0
    try {
      for (; n < keys.length; n++) {
        const field = (coders[n] as Any).read(reader)
        if (field !== undefined || optional[n] !== true) value[keys[n] as string] = field
      }
    } catch (thrown) {
      throw within(thrown, `.${keys[n]}`)
    }
    return value
  }

  /** The fields of a value without what every object inherits. */
  #own(value: object): Record<string, unknown> {
    const from = Object.create(null) as Record<string, unknown>
    for (const key of this.#keys) {
      if (!this.#inherited.has(key) || Object.hasOwn(value, key)) from[key] = (value as Record<string, unknown>)[key]
    }
    return from
  }
}

/** Parts in the order of their keys, which is the wire; a `TypeError` for keys that JavaScript would move or swallow. */
export function namedParts(parts: Fields, name: string): readonly Named[] {
  if (typeof parts !== 'object' || parts === null) throw new TypeError(`${name}: expected an object of codecs`)
  return Object.freeze(
    Object.entries(parts).map(([key, part]) => {
      if (/^(0|[1-9]\d*)$/.test(key)) throw new TypeError(`${name}: '${key}' is like an integer, and JavaScript would move it to the front`)
      if (key === '__proto__') throw new TypeError(`${name}: '__proto__' is no key of a plain object`)
      coderOf(part, `${name}.${key}`)
      return Object.freeze([key, part] as const)
    }),
  )
}

/** Items one behind the other. */
export function tuple<const T extends readonly AnyCodec[]>(...items: T): Codec<TupleOut<T>, TupleIn<T>> {
  return codec<AnyCodec>(new Tuple(items) as Coder<unknown, never>) as unknown as Codec<TupleOut<T>, TupleIn<T>>
}

/**
 * Key order is the wire; integer-like keys are a `TypeError`. An absent option is an absent key.
 *
 * @example
 * ```ts
 * const Tea = struct({ name: str, grams: u32, note: option(str) })
 * type Tea = Infer<typeof Tea> // { name: string; grams: number; note?: string | undefined }
 * ```
 */
export function struct<const F extends Fields>(fields: F): Codec<StructOut<F>, StructIn<F>> {
  return codec<AnyCodec>(new Struct(fields) as Coder<unknown, never>) as unknown as Codec<StructOut<F>, StructIn<F>>
}
