// One variant of a protocol: what goes which way, and how much of it.
import { type AnyCodec, isCodec, isUnit } from '../wire/postcard/codec.js'
import { MAX_MESSAGE_BYTES } from '../wire/postcard/message.js'
import { integer, options as checkOptions } from '../wire/check.js'

/** How many values go one way. */
export interface None {
  readonly kind: 'none'
}
export interface One<C extends AnyCodec> {
  readonly kind: 'one'
  readonly item: C
}
export interface Many<C extends AnyCodec> {
  readonly kind: 'many'
  readonly item: C
}
export type Channel = None | One<AnyCodec> | Many<AnyCodec>

export const none: None = Object.freeze({ kind: 'none' })

export function one<C extends AnyCodec>(item: C): One<C> {
  return Object.freeze({ kind: 'one', item: codecOf(item, 'item') })
}

export function many<C extends AnyCodec>(item: C): Many<C> {
  return Object.freeze({ kind: 'many', item: codecOf(item, 'item') })
}

/** Bytes of one message. */
export interface MessageLimits {
  readonly maxRequestBytes?: number
  readonly maxUpdateBytes?: number
  readonly maxAnswerBytes?: number
}

/** One variant of a protocol. The modifiers return a new method. */
export interface Method<Req extends AnyCodec = AnyCodec, Updates extends Channel = Channel, Answers extends Channel = Channel> {
  readonly request: Req
  readonly updates: Updates
  readonly answers: Answers
  /** Checks its position when the module loads. */
  at(index: number): this
  /** May run twice: permits 0-RTT and one retry after a lost connection. */
  idempotent(): this
  /** Bytes of one message [16 MiB each]. */
  limit(bytes: MessageLimits): this
}
/** Keeps an index without a method. */
export interface Reserved {
  readonly reserved: true
}

/** What the modifiers said. */
export interface Traits {
  readonly index: number | null
  readonly idempotent: boolean
  readonly limits: Required<MessageLimits>
}

const PLAIN: Traits = {
  index: null,
  idempotent: false,
  limits: { maxRequestBytes: MAX_MESSAGE_BYTES, maxUpdateBytes: MAX_MESSAGE_BYTES, maxAnswerBytes: MAX_MESSAGE_BYTES },
}
const LIMITS = ['maxRequestBytes', 'maxUpdateBytes', 'maxAnswerBytes'] as const

let traits: (method: MethodDefinition) => Traits

/** @internal */
export class MethodDefinition implements Method {
  readonly request: AnyCodec
  readonly updates: Channel
  readonly answers: Channel
  readonly #traits: Traits

  static {
    traits = (method) => method.#traits
  }

  constructor(request: AnyCodec, updates: Channel, answers: Channel, of: Traits = PLAIN) {
    this.request = request
    this.updates = updates
    this.answers = answers
    this.#traits = of
    Object.freeze(this)
  }

  at(index: number): this {
    return this.#with({ index: integer(index, 'index', 0, 2 ** 32 - 1) })
  }

  idempotent(): this {
    return this.#with({ idempotent: true })
  }

  limit(bytes: MessageLimits): this {
    const given = checkOptions(bytes, 'bytes')
    const limits = { ...this.#traits.limits }
    for (const key of LIMITS) {
      const value = given[key]
      if (value !== undefined) limits[key] = integer(value, `bytes.${key}`, 0, MAX_MESSAGE_BYTES)
    }
    return this.#with({ limits })
  }

  #with(change: Partial<Traits>): this {
    return new MethodDefinition(this.request, this.updates, this.answers, { ...this.#traits, ...change }) as this
  }
}

export function traitsOf(method: MethodDefinition): Traits {
  return traits(method)
}

/**
 * All nine pairs of channels.
 *
 * @example
 * ```ts
 * const late = method(unit, { updates: one(str), answers: one(u64) })
 * ```
 */
export function method<Q extends AnyCodec, const U extends Channel, const A extends Channel>(
  request: Q,
  channels: { readonly updates: U; readonly answers: A },
): Method<Q, U, A> {
  const { updates, answers } = checkOptions(channels, 'channels') as { updates: U; answers: A }
  return define(codecOf(request, 'request'), channelOf(updates, 'channels.updates'), channelOf(answers, 'channels.answers'))
}

/** A request, one answer. */
export function unary<Q extends AnyCodec, A extends AnyCodec>(request: Q, answer: A): Method<Q, None, One<A>> {
  return method(request, { updates: none, answers: one(answer) })
}

/** A request, any number of answers. */
export function serverStream<Q extends AnyCodec, I extends AnyCodec>(request: Q, item: I): Method<Q, None, Many<I>> {
  return method(request, { updates: none, answers: many(item) })
}

/** A request and updates, one answer. */
export function clientStream<Q extends AnyCodec, I extends AnyCodec, A extends AnyCodec>(
  request: Q,
  item: I,
  answer: A,
): Method<Q, Many<I>, One<A>> {
  return method(request, { updates: many(item), answers: one(answer) })
}

/** Updates and answers side by side. */
export function bidiStream<Q extends AnyCodec, I extends AnyCodec, O extends AnyCodec>(
  request: Q,
  input: I,
  output: O,
): Method<Q, Many<I>, Many<O>> {
  return method(request, { updates: many(input), answers: many(output) })
}

/** A request and no answer. */
export function notify<Q extends AnyCodec>(request: Q): Method<Q, None, None> {
  return method(request, { updates: none, answers: none })
}

/** A request and updates, no answer. */
export function notifyStream<Q extends AnyCodec, I extends AnyCodec>(request: Q, item: I): Method<Q, Many<I>, None> {
  return method(request, { updates: many(item), answers: none })
}

const RESERVED: Reserved = Object.freeze({ reserved: true })

/** Keeps the index of a variant that is no longer spoken. */
export function reserved(): Reserved {
  return RESERVED
}

function define<Q extends AnyCodec, U extends Channel, A extends Channel>(request: Q, updates: U, answers: A): Method<Q, U, A> {
  return new MethodDefinition(request, updates, answers) as unknown as Method<Q, U, A>
}

function codecOf<C extends AnyCodec>(value: C, name: string): C {
  if (!isCodec(value)) throw new TypeError(`${name}: expected a codec`)
  return value
}

function channelOf<C extends Channel>(value: C, name: string): C {
  const kind = (value as Channel | undefined)?.kind
  if (kind !== 'none' && kind !== 'one' && kind !== 'many') throw new TypeError(`${name}: expected none, one(codec) or many(codec)`)
  return value
}

/** Whether a request of it is left out of the arguments. */
export function isUnitRequest(of: Method): boolean {
  return isUnit(of.request)
}
