import { readFileSync } from 'node:fs'
import test from 'ava'
import { BlobTicket } from '../../ts/blobs/index.js'

interface Vectors {
  tickets: {
    endpoint_id: string
    list: Array<{ note: string; hash: string; format: string; relays: string[]; ip_addrs: string[]; ticket: string }>
  }
}
const { tickets } = JSON.parse(readFileSync(new URL('../../vectors/blobs.json', import.meta.url), 'utf8')) as Vectors
const id = tickets.endpoint_id

test('tickets are those of the vectors, both ways', (t) => {
  t.is(tickets.list.length, 6)
  for (const { note, hash, format, relays, ip_addrs, ticket } of tickets.list) {
    const wanted = format === 'Raw' ? ('raw' as const) : ('hashSeq' as const)
    const addr = { id, addresses: [...ip_addrs].reverse(), relayUrls: relays }
    t.is(BlobTicket.encode({ addr, hash, format: wanted }), ticket, note)
    const decoded = BlobTicket.decode(ticket)
    t.deepEqual([decoded.hash, decoded.format, decoded.addr.id], [hash, wanted, id], note)
    t.deepEqual([...(decoded.addr.addresses ?? [])].sort(), [...ip_addrs].sort(), note)
    t.is(decoded.addr.relayUrl, [...relays].sort()[0], note)
    t.deepEqual(BlobTicket.decode(`blob${ticket.slice(4).toUpperCase()}`), decoded, note)
  }
})

test('G9 a bad ticket is a TypeError that quotes nothing', (t) => {
  const { ticket } = tickets.list[0]!
  const wrong = ['', 'blob', ticket.slice(0, -1), `Blob${ticket.slice(4)}`, `endpoint${ticket.slice(4)}`, `${ticket.slice(0, -4)}!!!!`]
  for (const text of [...wrong, `blob${'a'.repeat(10_000_000)}`]) {
    t.throws(() => BlobTicket.decode(text), { instanceOf: TypeError, message: "ticket: expected a blob ticket, 'blob' and base32 text" })
  }
  for (const other of [null, undefined, 5, {}])
    t.throws(() => BlobTicket.decode(other as never), { instanceOf: TypeError, message: /^ticket: / })
})

test('what cannot become a ticket is a TypeError that names the part', (t) => {
  const { hash } = tickets.list[0]!
  const encode = (ticket: unknown) => () => BlobTicket.encode(ticket as never)
  t.throws(encode(null), { instanceOf: TypeError, message: /^ticket: / })
  t.throws(encode({ addr: { id: 'x' }, hash, format: 'raw' }), { instanceOf: TypeError, message: /^ticket\.addr\.id: / })
  t.throws(encode({ addr: { id }, hash: 'x', format: 'raw' }), { instanceOf: TypeError, message: /^ticket\.hash: / })
  t.throws(encode({ addr: { id }, hash, format: 'HashSeq' }), { instanceOf: TypeError, message: /^ticket\.format: / })
  const addresses = Array.from({ length: 200 }, (_, n) => `192.0.2.1:${n + 1}`)
  t.throws(encode({ addr: { id, addresses }, hash, format: 'raw' }), { instanceOf: TypeError, message: /^ticket\.addr/ })
})
