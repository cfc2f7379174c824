import { readFileSync } from 'node:fs'
import test from 'ava'
import { GaiwanError } from '../../../ts/errors.js'
import * as r from '../../../ts/rpc/index.js'
import { Reader } from '../../../ts/wire/reader.js'
import { decodeFrom } from '../../../ts/wire/postcard/message.js'
import { codecOf, type Json, type Schema, oursOf } from './schema.js'

interface Row {
  name: string
  schema: Schema
  value: Json
  bytes: string
}
interface Verdict extends Row {
  accepted: boolean
  unread: number
  reencoded: string
}
const file = JSON.parse(readFileSync(new URL('../../../vectors/rpc.json', import.meta.url), 'utf8')) as {
  postcard: Row[]
  postcardDecode: Verdict[]
}

const unhex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Where Rust and JavaScript differ: what sorts there keeps its order here, and a NaN has no payload. */
const OTHERWISE: Record<string, string> = {
  'map with unsorted keys': '02016201016102',
  'f64 NaN payload and sign survive in Rust': '000000000000f87f',
}

test('the file has the rows that the specification counts', (t) => {
  t.is(file.postcard.length, 75)
  t.is(file.postcardDecode.length, 30)
})

for (const { name, schema, value, bytes } of file.postcard) {
  test(`Rust and we write the same bytes: ${name}`, (t) => {
    const codec = codecOf(schema)
    const ours = oursOf(schema, value)
    t.is(hex(r.encode(codec, ours)), bytes)
    t.is(r.encodedLength(codec, ours), bytes.length / 2)
    const decoded = r.decode(codec, unhex(bytes), { exact: true })
    t.deepEqual(decoded, ours)
    t.is(hex(r.encode(codec, decoded)), bytes)
    t.true(codec.minBytes <= bytes.length / 2)
  })
}

for (const { name, schema, value, bytes, accepted, unread, reencoded } of file.postcardDecode) {
  test(`${accepted ? 'as Rust we take' : 'as Rust we refuse'}: ${name}`, (t) => {
    const codec = codecOf(schema)
    if (!accepted) {
      const error = t.throws(() => r.decode(codec, unhex(bytes)), { instanceOf: GaiwanError })
      t.is(error?.code, 'RPC_DECODE')
      return
    }
    const reader = new Reader(unhex(bytes))
    const decoded = decodeFrom(codec, reader)
    const expected = oursOf(schema, value)
    if (decoded instanceof Map) t.deepEqual([...decoded].sort(), [...(expected as Map<string, number>)])
    else t.deepEqual(decoded, expected)
    t.is(reader.left, unread)
    t.is(hex(r.encode(codec, decoded)), OTHERWISE[name] ?? reencoded)
    if (unread > 0) {
      t.throws(() => r.decode(codec, unhex(bytes), { exact: true }), { code: 'RPC_DECODE', message: `${unread} bytes follow the value` })
    }
  })
}

/** Rows of types that have a codec of their own: the same bytes, in the form that users see. */
const OWN: [row: string, codec: r.AnyCodec, value: unknown][] = [
  ['usize 300', r.usize, 300],
  ['isize -300', r.isize, -300],
  ['u64 2^53', r.u64, 2n ** 53n],
  ['Vec<u8>', r.copyBytes, Uint8Array.of(0, 0xff, 0x80)],
  ['set equals seq', r.set(r.u8), new Set([1, 2, 3])],
  ['map, sorted keys', r.record(r.u32), Object.assign(Object.create(null), { a: 1, b: 300 })],
  ['explicit discriminants are ignored', r.enumOf(['A', 'B']), 'B'],
  ['newtype struct', r.newtype(r.u32), 300],
  ['Duration', r.duration, { seconds: 1n, nanos: 500_000_000 }],
  ['SystemTime', r.systemTime, { seconds: 1_700_000_000n, nanos: 5 }],
  ['IpAddr v4', r.ipAddr, '127.0.0.1'],
  ['SocketAddr v4', r.socketAddr, '127.0.0.1:4433'],
  ['SocketAddr v6 (scope and flow are lost)', r.socketAddr, '[::1]:4433'],
  ['EndpointId is 32 raw bytes', r.endpointId, 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c'],
  ['blobs Hash is 32 raw bytes', r.hash, '09048afae2bd6679f844ce51fc8d99eef23f882eed9e52307ce8c9249ad040b4'],
  [
    'EndpointAddr',
    r.endpointAddr,
    {
      id: 'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c',
      addresses: ['127.0.0.1:4433'],
      relayUrl: 'https://relay.example/',
      relayUrls: ['https://relay.example/'],
    },
  ],
]

for (const [name, codec, value] of OWN) {
  test(`${codec.name} has the bytes of the row: ${name}`, (t) => {
    const { bytes } = file.postcard.find((row) => row.name === name)!
    const any = codec as r.Codec<unknown, unknown>
    t.is(hex(r.encode(any, value)), bytes)
    t.deepEqual(r.decode(any, unhex(bytes), { exact: true }), value)
  })
}

test('a signature is the 64 bytes of its row', (t) => {
  const { bytes } = file.postcard.find(({ name }) => name.startsWith('Signature'))!
  t.is(hex(r.encode(r.signature, unhex(bytes))), bytes)
  t.deepEqual(r.decode(r.signature, unhex(bytes), { exact: true }), unhex(bytes))
})
