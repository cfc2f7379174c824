// What is said in a chat, as bytes: who said it can be proven, and nothing of it can be said again elsewhere or later.
//
// 64 bytes of signature, 32 of the speaker's id, then JSON `{at, nonce, name?, text}`. The signature is that of the speaker's
// endpoint key over `gaiwan-chat/1`, the 32 bytes of the topic, the id and the JSON. `at` is milliseconds since 1970, `nonce` 16 hex digits:
// gossip delivers equal content once in 90 s, and a listener takes each nonce of a speaker once.
import { randomBytes } from 'node:crypto'
import { type EndpointId, type SecretKey, verify } from '../../index.js'

const DOMAIN = Buffer.from('gaiwan-chat/1')
const SIGNATURE_BYTES = 64
const HEAD_BYTES = SIGNATURE_BYTES + 32
/** How far the clocks of two people may be apart. */
export const MAX_SKEW_MS = 10 * 60_000
/** Of a name, in UTF-16 units. */
export const MAX_NAME = 32
/** Nonces that are remembered; with them gone the time still keeps old messages out. */
const REMEMBERED = 10_000

export interface Said {
  readonly from: EndpointId
  /** What they call themselves; anybody may. */
  readonly name: string | null
  /** Milliseconds since 1970, by the clock of the speaker. */
  readonly at: number
  readonly text: string
}

/** Signs a message for one topic. */
export function sign(key: SecretKey, topic: string, name: string | null, text: string, at = Date.now()): Uint8Array {
  const nonce = randomBytes(8).toString('hex')
  const id = Buffer.from(key.id, 'hex')
  const body = Buffer.from(JSON.stringify({ at, nonce, ...(name !== null && { name }), text }))
  return Buffer.concat([key.sign(signed(topic, id, body)), id, body])
}

function signed(topic: string, id: Uint8Array, body: Uint8Array): Uint8Array {
  return Buffer.concat([DOMAIN, Buffer.from(topic, 'hex'), id, body])
}

/** Checks what comes in one topic. */
export class Listener {
  readonly #topic: string
  readonly #seen = new Set<string>()

  constructor(topic: string) {
    this.#topic = topic
  }

  /** The message, or why it is none: `malformed`, `forged`, `late` (or early), `repeated`. */
  hear(content: Uint8Array, now = Date.now()): Said | 'malformed' | 'forged' | 'late' | 'repeated' {
    if (content.length <= HEAD_BYTES) return 'malformed'
    const id = content.subarray(SIGNATURE_BYTES, HEAD_BYTES)
    const body = content.subarray(HEAD_BYTES)
    const said = read(Buffer.from(id).toString('hex'), body)
    if (said === null) return 'malformed'
    const { nonce, ...message } = said
    if (!proven(message.from, signed(this.#topic, id, body), content.subarray(0, SIGNATURE_BYTES))) return 'forged'
    if (Math.abs(now - message.at) > MAX_SKEW_MS) return 'late'
    const once = message.from + nonce
    if (this.#seen.has(once)) return 'repeated'
    this.#seen.add(once)
    if (this.#seen.size > REMEMBERED) this.#forgetOldest()
    return message
  }

  #forgetOldest(): void {
    const { value } = this.#seen.values().next()
    if (value !== undefined) this.#seen.delete(value)
  }
}

function proven(from: EndpointId, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(from, message, signature)
  } catch {
    // The 32 bytes are no key.
    return false
  }
}

function read(from: EndpointId, body: Uint8Array): (Said & { readonly nonce: string }) | null {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { at, nonce, name = null, text } = value as Record<string, unknown>
  if (!Number.isSafeInteger(at) || typeof nonce !== 'string' || typeof text !== 'string' || !/^[0-9a-f]{16}$/.test(nonce)) return null
  if (name !== null && (typeof name !== 'string' || name.length > MAX_NAME)) return null
  return { from, name: name as string | null, at: at as number, nonce, text }
}

/** Text of a stranger for a terminal: control characters could move the cursor, others could turn the writing around. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
}
