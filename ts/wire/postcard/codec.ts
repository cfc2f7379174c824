// What a codec is: the types that infer, and what every codec does inside.
import type { Reader } from '../reader.js'
import type { Writer } from '../writer.js'

declare const OUT: unique symbol
declare const IN: unique symbol

/** A frozen description of bytes: decoding yields `Out`, encoding takes the wider `In`. */
export interface Codec<Out, In = Out> {
  readonly [OUT]: Out
  readonly [IN]: (value: In) => void
  /** As in error texts, such as `seq(u8)`. */
  readonly name: string
  /** The fewest bytes a value takes. */
  readonly minBytes: number
}
/** Any codec at all. */
export type AnyCodec = Codec<unknown, never>
/** What decoding yields: `type T = Infer<typeof schema>`. */
export type Infer<C extends AnyCodec> = C[typeof OUT]
/** What encoding takes. */
export type Input<C extends AnyCodec> = C[typeof IN] extends (value: infer In) => void ? In : never

/** May be absent; the key of a struct becomes optional. */
export interface OptionCodec<Out, In> extends Codec<Out | undefined, In | null | undefined> {
  readonly option: true
}
/** Nothing. */
export interface UnitCodec extends Codec<void> {
  readonly unit: true
}

/** What a codec is made of; `brand` and `transform` have the shape of what they wrap. */
export type Shape =
  | { readonly kind: Primitive }
  | { readonly kind: 'fixedBytes'; readonly length: number }
  | { readonly kind: 'option' | 'seq' | 'set'; readonly item: AnyCodec }
  | { readonly kind: 'array'; readonly item: AnyCodec; readonly length: number }
  | { readonly kind: 'tuple'; readonly items: readonly AnyCodec[] }
  | { readonly kind: 'map'; readonly key: AnyCodec; readonly value: AnyCodec }
  | { readonly kind: 'struct'; readonly fields: readonly Named[] }
  | { readonly kind: 'enum'; readonly variants: readonly Named[] }
  | { readonly kind: 'result'; readonly ok: AnyCodec; readonly err: AnyCodec }
  | { readonly kind: 'lazy'; readonly get: () => AnyCodec }
  /** A type of Rust by its name. */
  | { readonly kind: 'named'; readonly name: string }
export type Primitive = 'bool' | 'f32' | 'f64' | 'char' | 'str' | 'bytes' | 'unit' | `${'u' | 'i'}${8 | 16 | 32 | 64 | 128}`
export type Named = readonly [name: string, codec: AnyCodec]

/** How many least sizes are being found: each may ask for those of its parts. */
let finding = 0
/** Whether one of them asked for itself, and was told 0. */
let guessed = false
/** What was found by such a guess: right enough for who asked, and to be found again. */
let guesses: Coder<unknown, never>[] = []

/**
 * How a codec works. Users see it as `Codec`.
 *
 * `write` and `read` throw a `Failure`; those of containers add their step to it.
 */
export abstract class Coder<Out, In = Out> {
  abstract readonly name: string
  abstract readonly shape: Shape
  #least: number | null = null
  #finding = false

  /** The fewest bytes a value takes; of recursive codecs no more than that, and 0 only if it is. Found when first asked for. */
  get minBytes(): number {
    if (this.#least !== null) return this.#least
    if (this.#finding) {
      guessed = true
      return 0
    }
    this.#finding = true
    finding++
    try {
      this.#least = this.least()
      if (guessed) guesses.push(this)
      return this.#least
    } finally {
      this.#finding = false
      if (--finding === 0 && guessed) {
        const least = this.#least
        for (const one of guesses) one.#least = null
        guesses = []
        guessed = false
        this.#least = least
      }
    }
  }

  /** Finds `minBytes` by those of the parts. */
  protected abstract least(): number
  /** Checks the value and writes it; what was written before a failure stays. */
  abstract write(writer: Writer, value: In): void
  abstract read(reader: Reader): Out
}

/** Freezes a coder and gives it the type that users see. */
export function codec<C extends AnyCodec>(coder: Coder<Infer<C>, Input<C>>): C {
  Object.freeze(coder.shape)
  return Object.freeze(coder) as unknown as C
}

/** What a codec does; else a `TypeError` that names the argument. */
export function coderOf<C extends AnyCodec>(value: C, name: string): Coder<Infer<C>, Input<C>> {
  if (value instanceof Coder) return value as Coder<Infer<C>, Input<C>>
  throw new TypeError(`${name}: expected a codec`)
}

export function isCodec(value: unknown): value is AnyCodec {
  return value instanceof Coder
}

/** Whether values of it are nothing at all, so that they are left out. */
export function isUnit(value: AnyCodec): value is UnitCodec {
  return 'unit' in value && value.unit === true
}

/** Whether values of it may be absent. */
export function isOption(value: AnyCodec): boolean {
  return 'option' in value && value.option === true
}

export function shapeOf(value: AnyCodec): Shape {
  return coderOf(value, 'codec').shape
}

/** Names of parts in the name of a whole, cut where they become long. */
export function nameOf(whole: string, parts: readonly string[]): string {
  const text = parts.join(', ')
  return text.length > 80 ? `${whole}(…)` : `${whole}(${text})`
}

/** What a value is, for error texts: numbers are quoted, anything else could be a secret. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'number') return String(value)
  if (typeof value === 'bigint') return value < 1n << 160n && value > -(1n << 160n) ? `${value}n` : 'a bigint'
  if (typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object'
  return `a ${typeof value}`
}
