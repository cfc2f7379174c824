// EndpointAddr: the id, then a seq of the ways to reach it in their order (iroh-base 1.4.1, `src/endpoint_addr.rs`).
import { type EndpointAddr, normalize } from '../../endpoint/addr.js'
import { hex } from '../../wire/bytes.js'
import { fail } from '../../wire/failure.js'
import { bytes, enumOf, seq, socketAddr, str, struct, u64, type Codec, type Infer } from '../../wire/postcard/index.js'
import { named } from '../../wire/postcard/wrap.js'
import { endpointId } from './identity.js'

/** iroh-base 1.4.1: `TransportAddr`. */
const Way = enumOf({ Relay: str, Ip: socketAddr, Custom: struct({ id: u64, data: bytes }) })
type Way = Infer<typeof Way>

function toWays({ relayUrls = [], addresses = [], customAddresses = [] }: EndpointAddr): Way[] {
  return [
    ...relayUrls.map((value) => ({ tag: 'Relay', value }) as const),
    ...addresses.map((value) => ({ tag: 'Ip', value }) as const),
    ...customAddresses.map((text) => {
      const [id = '', data = ''] = text.split('_')
      return { tag: 'Custom', value: { id: BigInt(`0x${id}`), data: Uint8Array.from(Buffer.from(data, 'hex')) } } as const
    }),
  ]
}

function fromWays(id: string, ways: readonly Way[]): EndpointAddr {
  return {
    id,
    relayUrls: ways.filter((way) => way.tag === 'Relay').map((way) => way.value),
    addresses: ways.filter((way) => way.tag === 'Ip').map((way) => way.value),
    customAddresses: ways.filter((way) => way.tag === 'Custom').map(({ value }) => `${value.id.toString(16)}_${hex(value.data)}`),
  }
}

/** In normal form: sorted, each entry once. A relay URL may hold a token, so nothing is quoted. */
function normal(addr: EndpointAddr): EndpointAddr {
  try {
    return normalize(addr, 'addr')
  } catch (thrown) {
    return fail(thrown instanceof TypeError ? thrown.message : 'not an EndpointAddr')
  }
}

/** An id and at most 128 ways to reach it. Zones of addresses are not on the wire. */
export const endpointAddr: Codec<EndpointAddr> = named('EndpointAddr', struct({ id: endpointId, addrs: seq(Way) }), {
  decode: ({ id, addrs }) => normal(fromWays(id, addrs)),
  encode: (addr: EndpointAddr) => {
    const whole = normal(addr)
    return { id: whole.id, addrs: toWays(whole) }
  },
})
