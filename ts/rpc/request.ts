// Request frames: the index of the variant, then its value; in span mode the trace context goes first.
import { EMPTY, type Bytes } from '../wire/bytes.js'
import { option, record, str } from '../wire/postcard/index.js'
import { decodeFrom, encodeInto } from '../wire/postcard/message.js'
import { Reader } from '../wire/reader.js'
import { varintLength } from '../wire/varint.js'
import { Writer } from '../wire/writer.js'
import { encodeFailure } from './errors.js'
import type { Plan } from './plan.js'
import type { Definition } from './service.js'

/** irpc 0.17, `span_propagation`: an option of a struct with one map. */
const CARRIER = option(record(str))

export type Trace = Readonly<Record<string, string>>
export const NO_TRACE: Trace = Object.freeze(Object.create(null) as Record<string, string>)

/** Room for a head of 8 bytes and a prefix of 4, which is enough for 16 MiB. */
const GAP = new Uint8Array(12)
/** Bytes above which a request is not copied once more. */
const LARGE = 64 * 1024

/** The writer that is not in use: a getter of a request may make another call. */
let spare: Writer | null = null

/**
 * The request frame behind `head`, in memory of its own.
 *
 * @param trace undefined outside span mode
 * @throws {RpcError} RPC_ENCODE, RPC_TOO_LARGE; a number out of range is a RangeError
 */
export function requestFrame(plan: Plan, request: unknown, trace: Trace | null | undefined, head: Uint8Array = EMPTY): Bytes {
  let writer = spare ?? new Writer()
  spare = null
  try {
    // Head and prefix go into the gap when the length is known, so that nothing has to be moved.
    writer.raw(GAP)
    writer.limit = GAP.length + plan.maxRequestBytes
    if (trace !== undefined) encodeInto(CARRIER, trace, writer, 'trace')
    writer.varint(plan.index)
    if (!plan.unit) encodeInto(plan.request, request as never, writer, plan.name)
    const { length } = writer
    const from = GAP.length - varintLength(length - GAP.length) - head.length
    const large = length > LARGE
    const bytes = large ? writer.view() : writer.take()
    // What is large keeps the memory that it was written to.
    if (large) writer = new Writer()
    bytes.set(head, from)
    let rest = length - GAP.length
    for (let at = from + head.length; at < GAP.length; at++) {
      bytes[at] = at === GAP.length - 1 ? rest : (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    return bytes.subarray(from)
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
