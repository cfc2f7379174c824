// What is fixed about a connection once its handshake is done.
import { type Bytes, copy, hex, latin1, text } from '../wire/bytes.js'
import type { EndpointId } from './key.js'

/** Who dialed. */
export type Side = 'client' | 'server'

/** Facts of a connection, as the native core tells them. */
export interface Facts {
  /** Zeros while an acceptor does not know its peer yet. */
  readonly remoteId: EndpointId
  readonly stableId: number
  readonly side: Side
  /** The handshake is not done yet. */
  readonly early: boolean
  readonly alpnBytes: Bytes
  readonly alpn: string
}

/** Remote id 32 bytes, stable id f64, side u8, flags u8, 2 bytes, ALPN. */
export function readFacts(body: Bytes, offset = 0): Facts {
  const view = new DataView(body.buffer, body.byteOffset + offset, body.length - offset)
  const { alpn, alpnBytes } = named(body.subarray(offset + 44))
  return {
    remoteId: hex(body.subarray(offset, offset + 32)),
    stableId: view.getFloat64(32, true),
    side: view.getUint8(40) === 0 ? 'client' : 'server',
    early: (view.getUint8(41) & 1) !== 0,
    alpnBytes,
    alpn,
  }
}

/** An endpoint speaks few protocols, so its connections share their names. */
const NAMES = 64
const names = new Map<string, { readonly alpn: string; readonly alpnBytes: Bytes }>()

function named(bytes: Bytes): { readonly alpn: string; readonly alpnBytes: Bytes } {
  const key = latin1(bytes)
  const known = names.get(key)
  if (known !== undefined) return known
  const alpnBytes = copy(bytes)
  const name = { alpn: text(alpnBytes), alpnBytes }
  // A peer can't choose names that nobody here offers, but a program that goes through many must not leave them all behind.
  if (names.size === NAMES) names.clear()
  names.set(key, name)
  return name
}
