// One of several: enums and results. The index is a varint u32, the position in the order of declaration.
import { fail, within } from '../failure.js'
import type { Reader } from '../reader.js'
import { varintLength } from '../varint.js'
import type { Writer } from '../writer.js'
import {
  type AnyCodec,
  type Codec,
  Coder,
  codec,
  coderOf,
  type Infer,
  type Input,
  isUnit,
  kindOf,
  type Named,
  nameOf,
  type Shape,
} from './codec.js'
import { unit } from './option.js'
import { type Fields, namedParts } from './product.js'

// biome-ignore lint/suspicious/noConfusingVoidType: what a unit yields
type Ok<T> = [T] extends [void] ? { ok: true; value?: undefined; error?: undefined } : { ok: true; value: T; error?: undefined }
// biome-ignore lint/suspicious/noConfusingVoidType: what a unit yields
type Err<E> = [E] extends [void] ? { ok: false; error?: undefined; value?: undefined } : { ok: false; error: E; value?: undefined }
/** Rust's `Result`: an error as a value. */
export type Result<T, E> = Ok<T> | Err<E>

type Any = Coder<unknown, unknown>
interface Variant {
  readonly tag: string
  readonly index: number
  readonly coder: Any
  readonly unit: boolean
}
interface Tagged {
  readonly tag: string
  readonly value?: unknown
}

/** An index that is one of `count`. */
function indexOf(reader: Reader, count: number): number {
  const index = reader.varint32()
  if (index >= count) fail(`no variant has the index ${index}`)
  return index
}

class Enum extends Coder<Tagged> {
  readonly name: string
  readonly shape: Shape
  readonly #variants: readonly Variant[]
  readonly #byTag: ReadonlyMap<unknown, Variant>

  constructor(variants: readonly Named[]) {
    super()
    this.#variants = variants.map(([tag, part], index) => ({
      tag,
      index,
      coder: coderOf<AnyCodec>(part, tag) as Any,
      unit: isUnit(part),
    }))
    this.#byTag = new Map(this.#variants.map((variant) => [variant.tag, variant]))
    this.name = nameOf(
      'enumOf',
      variants.map(([tag]) => tag),
    )
    this.shape = { kind: 'enum', variants }
  }

  protected least(): number {
    const sizes = this.#variants.map(({ index, coder }) => varintLength(index) + coder.minBytes)
    return sizes.length === 0 ? 1 : Math.min(...sizes)
  }

  write(writer: Writer, value: Tagged): void {
    if (typeof value !== 'object' || value === null) fail(`${kindOf(value)} is not an object with a tag`)
    const variant = this.#byTag.get(value.tag) ?? fail('the tag is no variant')
    writer.varint(variant.index)
    try {
      variant.coder.write(writer, value.value)
    } catch (thrown) {
      throw within(thrown, `.${variant.tag}`)
    }
  }

  read(reader: Reader): Tagged {
    const { tag, coder, unit } = this.#variants[indexOf(reader, this.#variants.length)] as Variant
    if (unit) return { tag }
    try {
      return { tag, value: coder.read(reader) }
    } catch (thrown) {
      throw within(thrown, `.${tag}`)
    }
  }
}

class Names extends Coder<string> {
  readonly name: string
  readonly shape: Shape
  readonly #names: readonly string[]
  readonly #index: ReadonlyMap<string, number>

  constructor(names: readonly string[]) {
    super()
    this.#names = names
    this.#index = new Map(names.map((name, index) => [name, index]))
    this.name = nameOf('enumOf', names)
    this.shape = { kind: 'enum', variants: Object.freeze(names.map((name) => Object.freeze([name, unit] as const))) }
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: string): void {
    writer.varint(this.#index.get(value) ?? fail('no variant has that name'))
  }

  read(reader: Reader): string {
    return this.#names[indexOf(reader, this.#names.length)] as string
  }
}

type AnyResult = { ok: true; value?: unknown } | { ok: false; error?: unknown }

class ResultCoder extends Coder<AnyResult> {
  readonly name: string
  readonly shape: Shape
  readonly #ok: Any
  readonly #err: Any
  readonly #units: readonly [ok: boolean, err: boolean]

  constructor(ok: AnyCodec, err: AnyCodec) {
    super()
    this.#ok = coderOf(ok, 'ok') as Any
    this.#err = coderOf(err, 'err') as Any
    this.#units = [isUnit(ok), isUnit(err)]
    this.name = nameOf('result', [this.#ok.name, this.#err.name])
    this.shape = { kind: 'result', ok, err }
  }

  protected least(): number {
    return 1 + Math.min(this.#ok.minBytes, this.#err.minBytes)
  }

  write(writer: Writer, value: AnyResult): void {
    if (typeof value !== 'object' || value === null || typeof value.ok !== 'boolean') fail(`${kindOf(value)} is not a result`)
    writer.byte(value.ok ? 0 : 1)
    try {
      if (value.ok) this.#ok.write(writer, value.value)
      else this.#err.write(writer, value.error)
    } catch (thrown) {
      throw within(thrown, value.ok ? '.value' : '.error')
    }
  }

  read(reader: Reader): AnyResult {
    const ok = indexOf(reader, 2) === 0
    try {
      if (ok) return this.#units[0] ? { ok } : { ok, value: this.#ok.read(reader) }
      return this.#units[1] ? { ok } : { ok, error: this.#err.read(reader) }
    } catch (thrown) {
      throw within(thrown, ok ? '.value' : '.error')
    }
  }
}

/**
 * Key order is the wire. `{ tag: 'A' } | { tag: 'B', value }`; of names only: `'A' | 'B'`.
 *
 * @throws {TypeError} for integer-like keys, and names that repeat.
 *
 * @example
 * ```ts
 * const Shape = enumOf({ Point: unit, Circle: f64 })
 * encode(Shape, { tag: 'Circle', value: 1 })
 * const Color = enumOf(['Red', 'Green'])
 * encode(Color, 'Green') // 01
 * ```
 */
export function enumOf<const V extends Fields>(
  variants: V,
  // Spelt out, since a name that `gaiwan/rpc` does not export could not stand in the declarations of a user's module.
): Codec<
  { [K in keyof V]: V[K] extends { readonly unit: true } ? { tag: K } : { tag: K; value: Infer<V[K]> } }[keyof V],
  { [K in keyof V]: V[K] extends { readonly unit: true } ? { readonly tag: K } : { readonly tag: K; readonly value: Input<V[K]> } }[keyof V]
>
export function enumOf<const N extends readonly string[]>(names: N): Codec<N[number]>
export function enumOf(of: Fields | readonly string[]): AnyCodec {
  if (!Array.isArray(of)) return codec<AnyCodec>(new Enum(namedParts(of as Fields, 'variants')) as Coder<unknown, never>)
  const names: readonly unknown[] = Object.freeze([...of])
  if (names.some((name, n) => typeof name !== 'string' || names.indexOf(name) !== n)) {
    throw new TypeError('names: expected strings, each once')
  }
  return codec<AnyCodec>(new Names(names as readonly string[]) as Coder<unknown, never>)
}

/** `Ok` is `{ ok: true, value }`, `Err` is `{ ok: false, error }`; a unit has neither `value` nor `error`. */
export function result<T extends AnyCodec, E extends AnyCodec>(
  ok: T,
  err: E,
): Codec<Result<Infer<T>, Infer<E>>, Readonly<Result<Input<T>, Input<E>>>> {
  return codec<AnyCodec>(new ResultCoder(ok, err) as Coder<unknown, never>) as Codec<
    Result<Infer<T>, Infer<E>>,
    Readonly<Result<Input<T>, Input<E>>>
  >
}
