// Ids and hashes: raw bytes on the wire, hex in TypeScript.
import { type EndpointId, toId } from '../../endpoint/key.js'
import { fail } from '../../wire/failure.js'
import type { Hash } from '../../wire/bytes.js'
import { type Codec, codec } from '../../wire/postcard/codec.js'
import { HexBytes } from '../../wire/postcard/text.js'

const HEX = /^[0-9a-f]{64}$/

function id(value: EndpointId | Uint8Array): EndpointId {
  try {
    return toId(value, 'id')
  } catch {
    // The value may be a secret by mistake, so nothing is quoted.
    return fail('not an endpoint id')
  }
}

/** Hex; the point is checked both ways, as Rust does when it reads. */
export const endpointId: Codec<EndpointId> = codec(new HexBytes('EndpointId', 32, id, id))

function hex(value: Hash): Hash {
  return typeof value === 'string' && HEX.test(value) ? value : fail('not a hash: expected 64 lowercase hex digits')
}

/** 64 lowercase hex digits. */
export const hash: Codec<Hash> = codec(new HexBytes('Hash', 32, hex, () => {}))
