// Golden values made by the real iroh crates.
import { readFileSync } from 'node:fs'
import test from 'ava'
import { EndpointTicket, MemoryLookup, SecretKey, verify } from '../../ts/index.js'
import { hex } from '../../ts/wire/bytes.js'

interface Vectors {
  identity: { label: string; secret_hex: string; id_hex: string; id_base32: string; signature_of_gaiwan_hex: string }[]
  endpoint_id_parse: { label: string; input: string; ok: boolean; value_hex?: string }[]
  secret_key_parse: { label: string; input: string; ok: boolean; secret_hex?: string }[]
  endpoint_tickets: { label: string; string: string; decodes_to_the_same_value: boolean }[]
  endpoint_ticket_parse: { label: string; input: string; ok: boolean; addr_count?: number }[]
  relay_urls: { input: string; normal?: string; ok: boolean }[]
}
const vectors = JSON.parse(readFileSync(new URL('../../vectors/endpoint.json', import.meta.url), 'utf8')) as Vectors
const book = new MemoryLookup()

test('keys have the ids and signatures of the vectors', (t) => {
  t.true(vectors.identity.length > 0)
  for (const { label, secret_hex, id_hex, id_base32, signature_of_gaiwan_hex } of vectors.identity) {
    const key = SecretKey.from(secret_hex)
    t.is(key.id, id_hex, label)
    t.is(hex(key.toBytes()), secret_hex, label)
    t.is(hex(key.sign('gaiwan')), signature_of_gaiwan_hex, label)
    t.true(verify(id_base32, 'gaiwan', Buffer.from(signature_of_gaiwan_hex, 'hex')), label)
    t.true(verify(Buffer.from(id_hex, 'hex'), 'gaiwan', Buffer.from(signature_of_gaiwan_hex, 'hex')), label)
  }
})

test('ids parse as the vectors say', (t) => {
  t.true(vectors.endpoint_id_parse.length > 0)
  for (const { label, input, ok, value_hex } of vectors.endpoint_id_parse) {
    if (!ok) {
      t.throws(() => book.get(input), { instanceOf: TypeError }, label)
      continue
    }
    book.set({ id: input, addresses: ['192.0.2.1:1'] })
    t.is(book.get(input)?.id, value_hex, label)
  }
})

test('secret keys parse as the vectors say', (t) => {
  t.true(vectors.secret_key_parse.length > 0)
  for (const { label, input, ok, secret_hex } of vectors.secret_key_parse) {
    if (ok) t.is(hex(SecretKey.from(input).toBytes()), secret_hex!, label)
    else t.throws(() => SecretKey.from(input), { instanceOf: TypeError }, label)
  }
})

test('tickets of the vectors come out of what they decode to', (t) => {
  t.true(vectors.endpoint_tickets.length > 0)
  for (const { label, string, decodes_to_the_same_value } of vectors.endpoint_tickets) {
    const addr = EndpointTicket.decode(string)
    if (decodes_to_the_same_value) t.is(EndpointTicket.encode(addr), string, label)
    else t.notThrows(() => EndpointTicket.encode(addr), label)
  }
})

test('tickets parse as the vectors say', (t) => {
  t.true(vectors.endpoint_ticket_parse.length > 0)
  for (const { label, input, ok, addr_count } of vectors.endpoint_ticket_parse) {
    if (!ok) {
      t.throws(() => EndpointTicket.decode(input), { instanceOf: TypeError, message: /^ticket: / }, label)
      continue
    }
    const { addresses = [], relayUrls = [], customAddresses = [] } = EndpointTicket.decode(input)
    t.is(addresses.length + relayUrls.length + customAddresses.length, addr_count!, label)
  }
})

test('relay URLs have the normal form of the vectors', (t) => {
  const { id } = SecretKey.generate()
  t.true(vectors.relay_urls.length > 0)
  for (const { input, normal, ok } of vectors.relay_urls) {
    if (ok) t.is(EndpointTicket.decode(EndpointTicket.encode({ id, relayUrl: input })).relayUrl, normal)
    else t.throws(() => EndpointTicket.encode({ id, relayUrl: input }), { instanceOf: TypeError }, input)
  }
})
