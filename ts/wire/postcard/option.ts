// Nothing, and what may be nothing.
import { fail } from '../failure.js'
import type { Reader } from '../reader.js'
import type { Writer } from '../writer.js'
import {
  type AnyCodec,
  Coder,
  codec,
  coderOf,
  type Infer,
  type Input,
  isOption,
  isUnit,
  kindOf,
  type OptionCodec,
  type Shape,
  type UnitCodec,
} from './codec.js'

class Unit extends Coder<void> {
  readonly name = 'unit'
  readonly shape: Shape = { kind: 'unit' }
  readonly unit = true

  protected least(): number {
    return 0
  }

  write(_: Writer, value: unknown): void {
    if (value !== undefined && value !== null) fail(`${kindOf(value)} is not nothing`)
  }

  read(_: Reader): void {}
}

/** Nothing; as a request it is left out. */
export const unit: UnitCodec = codec(new Unit())

class Option<Out, In> extends Coder<Out | undefined, In | null | undefined> {
  readonly name: string
  readonly shape: Shape
  readonly option = true

  constructor(
    readonly item: Coder<Out, In>,
    of: AnyCodec,
  ) {
    super()
    this.name = `option(${item.name})`
    this.shape = { kind: 'option', item: of }
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: In | null | undefined): void {
    const some = value !== undefined && value !== null
    writer.byte(some ? 1 : 0)
    if (some) this.item.write(writer, value)
  }

  read(reader: Reader): Out | undefined {
    return present(reader) ? this.item.read(reader) : undefined
  }
}

class Maybe<Out, In> extends Coder<{ some: Out } | undefined, { readonly some: In } | null | undefined> {
  readonly name: string
  readonly shape: Shape
  readonly option = true

  constructor(
    readonly item: Coder<Out, In>,
    of: AnyCodec,
  ) {
    super()
    this.name = `maybe(${item.name})`
    this.shape = { kind: 'option', item: of }
  }

  protected least(): number {
    return 1
  }

  write(writer: Writer, value: { readonly some: In } | null | undefined): void {
    if (value === undefined || value === null) {
      writer.byte(0)
      return
    }
    if (typeof value !== 'object' || !('some' in value)) fail(`${kindOf(value)} is not { some } or undefined`)
    writer.byte(1)
    this.item.write(writer, value.some)
  }

  read(reader: Reader): { some: Out } | undefined {
    return present(reader) ? { some: this.item.read(reader) } : undefined
  }
}

function present(reader: Reader): boolean {
  const tag = reader.byte()
  if (tag > 1) fail(`${tag} is not the tag of an option`)
  return tag === 1
}

/**
 * `T | undefined`; a struct key becomes optional. Of something that may be undefined itself: use `maybe`.
 *
 * @throws {TypeError} for an option of an option or of unit.
 */
export function option<C extends AnyCodec>(t: undefined extends Infer<C> ? never : C): OptionCodec<Infer<C>, Input<C>> {
  const of: AnyCodec = t
  const item = coderOf<AnyCodec>(of, 't')
  if (isOption(of) || isUnit(of)) throw new TypeError('t: an option of what may be undefined loses a level, use maybe()')
  return codec<AnyCodec>(new Option(item, of)) as OptionCodec<Infer<C>, Input<C>>
}

/** `{ some: T } | undefined`: an option of anything. */
export function maybe<C extends AnyCodec>(t: C): OptionCodec<{ some: Infer<C> }, { readonly some: Input<C> }> {
  return codec(new Maybe(coderOf(t, 't'), t))
}
