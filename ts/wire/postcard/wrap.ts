// Codecs around another: the same bytes, seen in another way.
import type { Reader } from '../reader.js'
import type { Writer } from '../writer.js'
import { type AnyCodec, type Codec, Coder, codec, coderOf, type Infer, type Input, type Shape } from './codec.js'

declare const BRAND: unique symbol
/** A nominal type: a `T` that only its codec and a cast can make. */
export type Branded<T, Name extends string> = T & { readonly [BRAND]: Name }

class Lazy<Out, In> extends Coder<Out, In> {
  readonly name = 'lazy'
  readonly shape: Shape
  readonly #get: () => Codec<Out, In>
  #item: Coder<Out, In> | null = null

  constructor(get: () => Codec<Out, In>) {
    super()
    this.#get = get
    this.shape = { kind: 'lazy', get: get as () => AnyCodec }
  }

  protected least(): number {
    return this.#coder().minBytes
  }

  write(writer: Writer, value: In): void {
    writer.down()
    this.#coder().write(writer, value)
    writer.up()
  }

  read(reader: Reader): Out {
    reader.down()
    const value = this.#coder().read(reader)
    reader.up()
    return value
  }

  #coder(): Coder<Out, In> {
    this.#item ??= coderOf(this.#get() as AnyCodec, 'lazy') as Coder<Out, In>
    return this.#item
  }
}

class Brand<Out, In> extends Coder<Out, In> {
  readonly shape: Shape

  constructor(
    readonly item: Coder<Out, In>,
    readonly name: string,
  ) {
    super()
    this.shape = item.shape
  }

  protected least(): number {
    return this.item.minBytes
  }

  write(writer: Writer, value: In): void {
    this.item.write(writer, value)
  }

  read(reader: Reader): Out {
    return this.item.read(reader)
  }
}

interface Forms<WireOut, WireIn, Out, In> {
  decode(wire: WireOut): Out
  encode(value: In): WireIn
}

class Transform<WireOut, WireIn, Out, In> extends Coder<Out, In> {
  readonly name: string
  readonly shape: Shape

  constructor(
    readonly item: Coder<WireOut, WireIn>,
    readonly by: Forms<WireOut, WireIn, Out, In>,
    names?: { readonly name: string; readonly shape: Shape },
  ) {
    super()
    this.name = names?.name ?? `transform(${item.name})`
    this.shape = names?.shape ?? item.shape
  }

  protected least(): number {
    return this.item.minBytes
  }

  write(writer: Writer, value: In): void {
    this.item.write(writer, this.by.encode(value))
  }

  read(reader: Reader): Out {
    return this.by.decode(this.item.read(reader))
  }
}

/**
 * For recursion: `const Tree: Codec<Tree> = lazy(() => struct({ kids: seq(Tree) }))`. At most 128 of them nest.
 *
 * @param get is called once, when it is first needed
 */
export function lazy<Out, In = Out>(get: () => Codec<Out, In>): Codec<Out, In> {
  if (typeof get !== 'function') throw new TypeError('get: expected a function')
  return codec<AnyCodec>(new Lazy(get) as Coder<unknown, never>) as Codec<Out, In>
}

/** As its inner type; documents a Rust newtype. */
export function newtype<C extends AnyCodec>(t: C): C {
  coderOf(t, 't')
  return t
}

/** The same bytes under a nominal type. */
export function brand<C extends AnyCodec, const Name extends string>(
  t: C,
  name: Name,
): Codec<Branded<Infer<C>, Name>, Branded<Input<C>, Name>> {
  const item: Coder<unknown, never> = coderOf(t, 't')
  if (typeof name !== 'string') throw new TypeError('name: expected a string')
  return codec<AnyCodec>(new Brand(item, name)) as Codec<Branded<Infer<C>, Name>, Branded<Input<C>, Name>>
}

/**
 * Another TypeScript form of the same bytes. What `encode` and `decode` throw becomes the cause of RPC_ENCODE and RPC_DECODE.
 *
 * @example
 * ```ts
 * const When = transform(i64, { decode: (ms) => new Date(Number(ms)), encode: (date: Date) => BigInt(date.getTime()) })
 * ```
 */
export function transform<C extends AnyCodec, Out, In = Out>(
  t: C,
  by: { decode(wire: Infer<C>): Out; encode(value: In): Input<C> },
): Codec<Out, In> {
  if (typeof by?.decode !== 'function' || typeof by.encode !== 'function') throw new TypeError('by: expected decode and encode')
  return codec<AnyCodec>(new Transform(coderOf(t, 't'), by) as Coder<unknown, never>) as Codec<Out, In>
}

/**
 * A type of Rust that has a form of its own in TypeScript.
 *
 * @internal
 */
export function named<C extends AnyCodec, Out, In = Out>(
  name: string,
  t: C,
  by: { decode(wire: Infer<C>): Out; encode(value: In): Input<C> },
): Codec<Out, In> {
  const names = { name, shape: { kind: 'named', name } } as const
  return codec<AnyCodec>(new Transform(coderOf(t, 't'), by, names) as Coder<unknown, never>) as Codec<Out, In>
}
