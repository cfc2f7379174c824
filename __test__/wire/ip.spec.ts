import { SocketAddress } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { ipOctets, ipText, socketParts, socketText } from '../../ts/wire/ip.js'

const V6: [text: string, normal: string][] = [
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:0:0:2:3:0:0:4', '1::2:3:0:0:4'],
  ['0:0:1:2:3:4:0:0', '::1:2:3:4:0:0'],
  ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
  ['::ffff:102:304', '::ffff:1.2.3.4'],
  ['::1.2.3.4', '::102:304'],
  ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
  ['0001:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
]
test('IPv6 is read in all its forms and written as RFC 5952 says', (t) => {
  for (const [text, normal] of V6) t.is(ipText(ipOctets(text)!), normal)
})

test('what is no address is none', (t) => {
  const wrong = [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    'a.b.c.d',
    '1..2.3',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
  ]
  const worse = [
    '1::2::3',
    '12345::',
    'g::',
    '1:2:3:4::5:6:7:8',
    '::1.2.3',
    '1.2.3.4::',
    '1:',
    ':1',
    'fe80::1%eth0',
    '::1.2.3.4:5',
    '1:2:3:4:5:6:7:1.2.3.4',
  ]
  for (const text of [...wrong, ...worse]) t.is(ipOctets(text), null, text)
})

test('an address with a port has brackets if it is IPv6, and loses its zone', (t) => {
  t.deepEqual(socketParts('1.2.3.4:65535'), { octets: Uint8Array.of(1, 2, 3, 4), port: 65_535 })
  const { octets, port } = socketParts('[fe80::1%3]:0')!
  t.is(socketText(octets, port), '[fe80::1]:0')
  for (const text of ['1.2.3.4', '1.2.3.4:65536', '::1:5', '[1.2.3.4]:5', '[::1]', '[::1%eth0]:1', 'host:1', '1.2.3.4:-1', ':5', '[]:5']) {
    t.is(socketParts(text), null, text)
  }
})

test('octets come back from their text, which Node.js reads alike', (t) => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(fc.oneof(fc.array(group, { minLength: 4, maxLength: 4 }), fc.array(group, { minLength: 16, maxLength: 16 })), (list) => {
      const octets = Uint8Array.from(list)
      const text = ipText(octets)
      t.deepEqual(ipOctets(text), octets)
      t.true(new SocketAddress({ address: text, family: octets.length === 4 ? 'ipv4' : 'ipv6' }).address.length > 0)
    }),
    { seed: 6, numRuns: 2_000 },
  )
})
