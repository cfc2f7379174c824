// Request frames: the index of the variant, then its value; in span mode the trace context goes first.
import { EMPTY, type Bytes } from '../wire/bytes.js'
import { option, record, str } from '../wire/postcard/index.js'
import { decodeFrom, encodeInto } from '../wire/postcard/message.js'
import { Reader } from '../wire/reader.js'
import { Writer } from '../wire/writer.js'
import { encodeFailure } from './errors.js'
import type { Plan } from './plan.js'
import type { Definition } from './service.js'

/** irpc 0.17, `span_propagation`: an option of a struct with one map. */
const CARRIER = option(record(str))

export type Trace = Readonly<Record<string, string>>
export const NO_TRACE: Trace = Object.freeze(Object.create(null) as Record<string, string>)

/** The writer that is not in use: a getter of a request may make another call. */
let spare: Writer | null = null

/**
 * The request frame behind `head`, in memory of its own.
 *
 * @param trace undefined outside span mode
 * @throws {RpcError} RPC_ENCODE, RPC_TOO_LARGE; a number out of range is a RangeError
 */
export function requestFrame(plan: Plan, request: unknown, trace: Trace | null | undefined, head: Uint8Array = EMPTY): Bytes {
  const writer = spare ?? new Writer()
  spare = null
  try {
    writer.raw(head)
    const mark = writer.beginFrame()
    writer.limit = head.length + 1 + plan.maxRequestBytes
    if (trace !== undefined) encodeInto(CARRIER, trace, writer, 'trace')
    writer.varint(plan.index)
    if (!plan.unit) encodeInto(plan.request, request as never, writer, plan.name)
    writer.limit = Number.POSITIVE_INFINITY
    writer.endFrame(mark)
    return writer.take()
  } catch (error) {
    throw encodeFailure(error, plan.name)
  } finally {
    writer.limit = Number.POSITIVE_INFINITY
    writer.clear()
    spare = writer
  }
}

/** A request, as its peer meant it. */
export interface Decoded {
  readonly plan: Plan
  readonly request: unknown
  readonly trace: Trace
}

/** Null if the request is too large for its method. Throws for what is not understood. */
export function readRequest({ plans, spans }: Definition, payload: Uint8Array): Decoded | null {
  const reader = new Reader(payload)
  const trace = spans ? (decodeFrom(CARRIER, reader) ?? NO_TRACE) : NO_TRACE
  const index = reader.varint32()
  const plan = plans[index] ?? null
  if (plan === null) throw new RangeError('there is no such variant')
  if (payload.length > plan.maxRequestBytes) return null
  return { plan, request: plan.unit ? undefined : decodeFrom(plan.request, reader), trace }
}
