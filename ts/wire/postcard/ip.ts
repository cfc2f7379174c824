// Rust's IpAddr and SocketAddr: an enum of V4 and V6, octets raw, the port as a varint (serde 1.0.229, `src/ser/impls.rs`).
import { fail } from '../failure.js'
import { ipOctets, ipText, socketParts, socketText } from '../ip.js'
import type { Codec } from './codec.js'
import { u16 } from './number.js'
import { tuple } from './product.js'
import { enumOf } from './sum.js'
import { fixedBytes } from './text.js'
import { named } from './wrap.js'

const V4 = fixedBytes(4)
const V6 = fixedBytes(16)
const tagOf = (octets: Uint8Array) => (octets.length === 4 ? 'V4' : 'V6')

/** `'1.2.3.4'`, `'2001:db8::1'`. */
export const ipAddr: Codec<string> = named('IpAddr', enumOf({ V4, V6 }), {
  decode: ({ value }) => ipText(value),
  encode(text: string) {
    const octets = (typeof text === 'string' ? ipOctets(text) : null) ?? fail('not an IP address')
    return { tag: tagOf(octets), value: octets } as const
  },
})

/** `'1.2.3.4:5'`, `'[2001:db8::1]:5'`. A zone is not on the wire, so it is lost. */
export const socketAddr: Codec<string> = named('SocketAddr', enumOf({ V4: tuple(V4, u16), V6: tuple(V6, u16) }), {
  decode: ({ value: [octets, port] }) => socketText(octets, port),
  encode(text: string) {
    const { octets, port } = (typeof text === 'string' ? socketParts(text) : null) ?? fail("not 'ip:port' or '[v6]:port'")
    return { tag: tagOf(octets), value: [octets, port] } as const
  },
})
