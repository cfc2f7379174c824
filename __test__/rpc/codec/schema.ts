// Codecs and values from the notation of `vectors/rpc.json`: its key `about` and section 9 of the specification.
import * as r from '../../../ts/rpc/index.js'

export type Schema = string | [string, ...unknown[]]
// biome-ignore lint/suspicious/noExplicitAny: the schema is data here, so nothing can be inferred
export type Json = any
type Any = r.Codec<unknown, unknown>

/** Schemas that are names. */
const NAMES: Record<string, r.AnyCodec> = {
  bool: r.bool,
  u8: r.u8,
  u16: r.u16,
  u32: r.u32,
  u64: r.u64,
  u128: r.u128,
  i8: r.i8,
  i16: r.i16,
  i32: r.i32,
  i64: r.i64,
  i128: r.i128,
  f32: r.f32,
  f64: r.f64,
  char: r.char,
  str: r.str,
  bytes: r.bytes,
  unit: r.unit,
  endpointId: r.endpointId,
}

/** Options of these need a level of their own. */
const mayBeNothing = (schema: Schema) => schema === 'unit' || schema[0] === 'option'
const named = (list: unknown) => list as [string, Schema][]

export function codecOf(schema: Schema): Any {
  if (typeof schema === 'string') return NAMES[schema] as Any
  const [kind, first, second] = schema as [string, Schema, Schema]
  switch (kind) {
    case 'option':
      return (mayBeNothing(first) ? r.maybe(codecOf(first)) : r.option<Any>(codecOf(first) as never)) as Any
    case 'seq':
      return r.seq(codecOf(first)) as Any
    case 'array':
      return r.array(codecOf(first), second as unknown as number) as Any
    case 'fixedBytes':
      return r.fixedBytes(first as unknown as number) as Any
    case 'tuple':
      return r.tuple(...(first as unknown as Schema[]).map(codecOf)) as Any
    case 'map':
      return r.map(codecOf(first), codecOf(second)) as Any
    case 'struct':
      return r.struct(Object.fromEntries(named(first).map(([name, one]) => [name, codecOf(one)]))) as Any
    case 'enum':
      return r.enumOf(Object.fromEntries(named(first).map(([name, one]) => [name, codecOf(one)]))) as Any
    case 'result':
      return r.result(codecOf(first), codecOf(second)) as Any
    default:
      throw new Error(`no schema: ${kind}`)
  }
}

const FLOATS: Record<string, number> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  '-0': -0,
}

/** The value that our codecs take and give for one of the file. */
export function oursOf(schema: Schema, json: Json): unknown {
  if (typeof schema === 'string') {
    if (/^[ui](64|128)$/.test(schema)) return BigInt(json)
    if (/^f/.test(schema)) return FLOATS[json] ?? json
    if (schema === 'bytes') return Uint8Array.from(Buffer.from(json, 'hex'))
    return schema === 'unit' ? undefined : json
  }
  const [kind, first, second] = schema as [string, Schema, Schema]
  switch (kind) {
    case 'option':
      if (json === null) return undefined
      return mayBeNothing(first) ? { some: oursOf(first, json.some) } : oursOf(first, json)
    case 'seq':
    case 'array':
      return json.map((one: Json) => oursOf(first, one))
    case 'fixedBytes':
      return Uint8Array.from(Buffer.from(json, 'hex'))
    case 'tuple':
      return json.map((one: Json, n: number) => oursOf((first as unknown as Schema[])[n]!, one))
    case 'map':
      return new Map(json.map(([key, value]: [Json, Json]) => [oursOf(first, key), oursOf(second, value)]))
    case 'struct':
      return Object.fromEntries(
        named(first)
          .map(([name, one]) => [name, oursOf(one, json[name]), one] as const)
          .filter(([, value, one]) => value !== undefined || one[0] !== 'option'),
      )
    case 'enum': {
      const [, payload] = named(first).find(([name]) => name === json.tag)!
      return payload === 'unit' ? { tag: json.tag } : { tag: json.tag, value: oursOf(payload, json.value) }
    }
    case 'result':
      if ('ok' in json) return first === 'unit' ? { ok: true } : { ok: true, value: oursOf(first, json.ok) }
      return second === 'unit' ? { ok: false } : { ok: false, error: oursOf(second, json.err) }
    default:
      throw new Error(`no schema: ${kind}`)
  }
}
