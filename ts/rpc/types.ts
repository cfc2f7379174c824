// What users write and get: the types of clients and handlers of a service.
import type { Connection } from '../endpoint/connection.js'
import type { EndpointId } from '../endpoint/key.js'
import type { WaitOptions } from '../endpoint/options.js'
import type { AnyCodec, Infer, Input } from '../wire/postcard/codec.js'
import type { Channel, Many, Method, None, One } from './method.js'
import type { Methods, Service } from './service.js'

export type MethodName<M extends Methods> = { [K in keyof M]: M[K] extends Method ? K : never }[keyof M]
export type RequestArg<Q extends AnyCodec> = Q extends { readonly unit: true } ? [] : [request: Input<Q>]
export type Source<T> = Iterable<T> | AsyncIterable<T>

export interface CallOptions extends WaitOptions {
  /** Then RPC_DEADLINE; local, not sent [none]. */
  readonly timeoutMs?: number
  /** Of the call's stream [0]. */
  readonly priority?: number
}
export interface NotifyOptions extends CallOptions {
  /** Wait until the bytes have arrived [false: until they are queued]. */
  readonly delivered?: boolean
}
/** Answers of one call: cold, starts at the first `next()`; one iterator only, else `TypeError`. Leaving early cancels. */
export interface AnswerStream<T> extends AsyncDisposable {
  next(): Promise<IteratorResult<T, undefined>>
  return(): Promise<IteratorResult<T, undefined>>
  [Symbol.asyncIterator](): AnswerStream<T>
}
/** A call driven by hand. Disposal cancels if unfinished. */
export interface OpenCall<In, Answer> extends AsyncDisposable {
  /** Waits for back-pressure. Codes: STREAM_STOPPED. */
  send(update: In): Promise<void>
  /** False instead of waiting. */
  trySend(update: In): boolean
  /** No more updates. */
  finish(): Promise<void>
  /** Resolves if the peer reads no more. */
  readonly stopped: Promise<void>
  readonly answer: Answer
  cancel(reason?: unknown): void
}
export type AnswerOf<A extends Channel> =
  A extends Many<infer C> ? AnswerStream<Infer<C>> : A extends One<infer C> ? Promise<Infer<C>> : Promise<void>
export type OptionsOf<A extends Channel> = A extends None ? NotifyOptions : CallOptions
/** One method at the client. */
export type ClientMethod<T> =
  T extends Method<infer Q, infer U, infer A>
    ? U extends Many<infer C>
      ? {
          (...args: [...RequestArg<Q>, updates: Source<Input<C>>, options?: OptionsOf<A>]): AnswerOf<A>
          /** Sends updates by hand. */
          open(...args: [...RequestArg<Q>, options?: OptionsOf<A>]): Promise<OpenCall<Input<C>, AnswerOf<A>>>
        }
      : U extends One<infer C>
        ? (...args: [...RequestArg<Q>, update: Input<C> | PromiseLike<Input<C>>, options?: OptionsOf<A>]) => AnswerOf<A>
        : (...args: [...RequestArg<Q>, options?: OptionsOf<A>]) => AnswerOf<A>
    : never
/** Codes of every call: the RPC_ ones, those of dialing and of the connection. */
export type Client<S extends Service> = { readonly [K in MethodName<S['methods']>]: ClientMethod<S['methods'][K]> } & ClientControl
export interface ClientControl extends AsyncDisposable {
  /** Waits for calls under way, at most `drainMs`, then closes. */
  close(): Promise<void>
}

export interface CallContext {
  /** Null under `local`. */
  readonly connection: Connection | null
  /** Who calls. Read before the handshake is done (`early`) it throws PEER_UNAUTHENTICATED. */
  readonly remoteId: EndpointId
  /** Aborts when the caller cancels or is lost; not on a normal end. */
  readonly signal: AbortSignal
  readonly method: string
  /** Came as 0-RTT: may be a replay. */
  readonly early: boolean
  /** Trace context; empty without span mode. */
  readonly trace: Readonly<Record<string, string>>
  /** A plain object that lives as long as the connection. */
  readonly state: Record<PropertyKey, unknown>
}
export type UpdatesArg<U extends Channel> =
  U extends Many<infer C> ? [updates: AsyncIterable<Infer<C>>] : U extends One<infer C> ? [update: Promise<Infer<C>>] : []
export type HandlerResult<A extends Channel> =
  A extends Many<infer C> ? Source<Input<C>> : A extends One<infer C> ? Input<C> | PromiseLike<Input<C>> : void | PromiseLike<void>
/** One method at the server. A throw reaches the caller as RPC_HANDLER_FAILED, without its text. */
export type Handler<T> =
  T extends Method<infer Q, infer U, infer A>
    ? (...args: [request: Infer<Q>, ...UpdatesArg<U>, context: CallContext]) => HandlerResult<A>
    : never
export type Handlers<S extends Service> = { readonly [K in MethodName<S['methods']>]: Handler<S['methods'][K]> }
