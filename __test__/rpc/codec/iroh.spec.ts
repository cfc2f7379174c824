import test from 'ava'
import { type EndpointAddr, SecretKey } from '../../../ts/index.js'
import * as r from '../../../ts/rpc/index.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const unhex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))
const ID = SecretKey.from(new Uint8Array(32).fill(7)).id

test('an endpoint id is 32 raw bytes and a point of the curve, both ways', (t) => {
  t.is(hex(r.encode(r.endpointId, ID)), ID)
  t.is(r.decode(r.endpointId, unhex(ID)), ID)
  const none = `02${'00'.repeat(31)}`
  t.throws(() => r.decode(r.endpointId, unhex(none)), { code: 'RPC_DECODE', message: 'not an endpoint id' })
  t.throws(() => r.encode(r.endpointId, none), { code: 'RPC_ENCODE', message: 'not an endpoint id' })
  for (const wrong of ['', 'ab', 5, null, undefined]) t.throws(() => r.encode(r.endpointId, wrong as never), { code: 'RPC_ENCODE' })
  t.throws(() => r.decode(r.endpointId, new Uint8Array(31)), { code: 'RPC_DECODE' })
})

test('a hash is 32 raw bytes of any value', (t) => {
  for (const value of ['00'.repeat(32), 'ff'.repeat(32), `02${'00'.repeat(31)}`]) {
    t.is(hex(r.encode(r.hash, value)), value)
    t.is(r.decode(r.hash, unhex(value)), value)
  }
  for (const wrong of ['FF'.repeat(32), 'ff', '', 5, null]) t.throws(() => r.encode(r.hash, wrong as never), { code: 'RPC_ENCODE' })
})

test('an address goes over in normal form: sorted, each way once', (t) => {
  const addr: EndpointAddr = {
    id: ID,
    addresses: ['[::1]:9', '10.0.0.1:5', '9.0.0.1:5', '10.0.0.1:5'],
    relayUrls: ['https://b.example', 'https://a.example'],
    customAddresses: ['2a_ff00', '1_'],
  }
  const read = r.decode(r.endpointAddr, r.encode(r.endpointAddr, addr), { exact: true })
  t.deepEqual(read, {
    id: ID,
    addresses: ['9.0.0.1:5', '10.0.0.1:5', '[::1]:9'],
    relayUrl: 'https://a.example/',
    relayUrls: ['https://a.example/', 'https://b.example/'],
    customAddresses: ['1_', '2a_ff00'],
  })
  t.deepEqual(r.decode(r.endpointAddr, r.encode(r.endpointAddr, read)), read)
  t.deepEqual(r.decode(r.endpointAddr, r.encode(r.endpointAddr, { id: ID })), { id: ID })
})

test('ways of a peer come in any order, and what is none is refused', (t) => {
  const ways = (...ways: string[]) => unhex(`${ID}0${ways.length}${ways.join('')}`)
  const v4 = (last: string) => `01000a0000${last}05`
  t.deepEqual(r.decode(r.endpointAddr, ways(v4('02'), v4('01'), v4('02'))), { id: ID, addresses: ['10.0.0.1:5', '10.0.0.2:5'] })
  t.throws(() => r.decode(r.endpointAddr, ways('0003616263')), { code: 'RPC_DECODE', message: /^addr\.relayUrls: / })
  t.throws(() => r.decode(r.endpointAddr, ways('0300')), { code: 'RPC_DECODE', message: 'addrs[0]: no variant has the index 3' })
  for (const wrong of [{ id: 'x' }, { id: ID, addresses: ['tea'] }, { id: ID, customAddresses: ['tea'] }, null, ID]) {
    t.throws(() => r.encode(r.endpointAddr, wrong as never), { code: 'RPC_ENCODE' })
  }
})

test('times carry whole seconds over, as Rust does, and end where Rust ends', (t) => {
  const raw = r.tuple(r.u64, r.u32)
  t.deepEqual(r.decode(r.duration, r.encode(raw, [1n, 4_294_967_295])), { seconds: 5n, nanos: 294_967_295 })
  const most = { seconds: 2n ** 64n - 1n, nanos: 999_999_999 }
  t.deepEqual(r.decode(r.duration, r.encode(r.duration, most)), most)
  t.throws(() => r.decode(r.duration, r.encode(raw, [2n ** 64n - 1n, 1_000_000_000])), { code: 'RPC_DECODE' })
  t.throws(() => r.decode(r.systemTime, r.encode(raw, [2n ** 63n, 0])), { code: 'RPC_DECODE' })
  t.throws(() => r.encode(r.systemTime, { seconds: 2n ** 63n, nanos: 0 }), { instanceOf: RangeError, code: 'RPC_ENCODE' })
  t.throws(() => r.encode(r.duration, { seconds: 0n, nanos: 1_000_000_000 }), { instanceOf: RangeError, code: 'RPC_ENCODE' })
  for (const wrong of [null, 5, { seconds: 1, nanos: 1 }, { seconds: 1n }])
    t.throws(() => r.encode(r.duration, wrong as never), { code: 'RPC_ENCODE' })
})
