import { inspect } from 'node:util'
import test from 'ava'
import { EndpointTicket, SecretKey, verify } from '../../ts/index.js'
import { hex } from '../../ts/wire/bytes.js'

test('a key comes from bytes, hex and base32 and gives them back', (t) => {
  const key = SecretKey.generate()
  const bytes = key.toBytes()
  t.is(bytes.length, 32)
  t.is(bytes.constructor, Uint8Array)
  t.regex(key.id, /^[0-9a-f]{64}$/)
  t.is(SecretKey.from(bytes).id, key.id)
  t.is(SecretKey.from(hex(bytes)).id, key.id)
  t.not(SecretKey.generate().id, key.id)
})

test('a malformed key is a TypeError that does not quote it', (t) => {
  const secret = hex(SecretKey.generate().toBytes())
  for (const wrong of [secret.toUpperCase(), `0x${secret}`, ` ${secret}`, secret.slice(1), new Uint8Array(31), 5, null, undefined]) {
    const error = t.throws(() => SecretKey.from(wrong as never), { instanceOf: TypeError, message: /^bytesOrHex: expected 32 bytes/ })
    t.false(inspect(error, { showHidden: true }).toLowerCase().includes(secret.slice(2, 40)))
  }
  t.throws(() => Reflect.construct(SecretKey, []), { instanceOf: TypeError })
})

test('a key never prints itself', (t) => {
  const key = SecretKey.generate()
  const secret = hex(key.toBytes())
  const shown = [
    `${key}`,
    JSON.stringify({ key }),
    inspect(key, { showHidden: true, depth: 9 }),
    inspect({ deep: [{ key }] }, { depth: 9 }),
    String(Object.entries(key)),
  ]
  for (const text of shown) t.false(text.includes(secret), text)
  t.is(`${key}`, 'SecretKey(redacted)')
  t.is(JSON.stringify(key), '"SecretKey(redacted)"')
  t.is(inspect(key), 'SecretKey(redacted)')
})

test('a signature is 64 bytes and holds for its message and its key only', (t) => {
  const key = SecretKey.generate()
  const signature = key.sign('gaiwan')
  t.is(signature.length, 64)
  t.true(verify(key.id, 'gaiwan', signature))
  t.true(verify(key.id, new TextEncoder().encode('gaiwan'), signature))
  t.false(verify(key.id, 'gaiwan!', signature))
  t.false(verify(SecretKey.generate().id, 'gaiwan', signature))
  t.false(verify(key.id, 'gaiwan', signature.subarray(1)))
  t.throws(() => verify('zz', 'gaiwan', signature), { instanceOf: TypeError, message: /^id: expected an endpoint id/ })
  t.throws(() => verify(key.id, 5 as never, signature), { instanceOf: TypeError, message: /^message: / })
  t.throws(() => verify(key.id, '', 'sig' as never), { instanceOf: TypeError, message: /^signature: / })
})

test('a ticket carries an address both ways, sorted, each entry once', (t) => {
  const { id } = SecretKey.generate()
  const addr = {
    id,
    addresses: ['[2001:db8::1]:9', '192.0.2.1:2', '192.0.2.1:1', '192.0.2.1:2'],
    relayUrls: ['https://b.example', 'https://A.example'],
  }
  const ticket = EndpointTicket.encode(addr)
  t.regex(ticket, /^endpoint[a-z2-7]+$/)
  t.deepEqual(EndpointTicket.decode(ticket), {
    id,
    addresses: ['192.0.2.1:1', '192.0.2.1:2', '[2001:db8::1]:9'],
    relayUrl: 'https://a.example/',
    relayUrls: ['https://a.example/', 'https://b.example/'],
  })
  t.deepEqual(EndpointTicket.decode(EndpointTicket.encode({ id })), { id })
})

test('a malformed ticket or address is a TypeError that names the part', (t) => {
  const { id } = SecretKey.generate()
  for (const wrong of ['', 'endpoint', 'endpointaaaa', 'blobaaaa', 5]) {
    t.throws(() => EndpointTicket.decode(wrong as never), { instanceOf: TypeError, message: /^ticket: / })
  }
  t.throws(() => EndpointTicket.encode({ id: 'x' }), { instanceOf: TypeError, message: /^addr\.id: / })
  t.throws(() => EndpointTicket.encode({ id, addresses: ['example.com:1'] }), {
    instanceOf: TypeError,
    message: /^addr\.addresses: expected 'ip:port'/,
  })
  t.throws(() => EndpointTicket.encode({ id, addresses: '1.2.3.4:5' as never }), {
    instanceOf: TypeError,
    message: 'addr.addresses: expected an array',
  })
  t.throws(() => EndpointTicket.encode({ id, relayUrl: 'nowhere' }), { instanceOf: TypeError, message: /^addr\.relayUrls: / })
  t.throws(() => EndpointTicket.encode({ id, customAddresses: ['?'] }), { instanceOf: TypeError, message: /^addr\.customAddresses: / })
  t.throws(() => EndpointTicket.encode(null as never), { instanceOf: TypeError, message: 'addr: expected an EndpointAddr' })
})
