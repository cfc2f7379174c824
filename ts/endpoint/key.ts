// Identity: the key pair of an endpoint and signatures by it.
import { inspect } from 'node:util'
import { native, type NativeSecretKey } from '../native.js'
import { type Bytes, type BytesLike, copy } from '../wire/bytes.js'
import { isBytes, toBytes } from '../wire/check.js'

/** A 32-byte ed25519 public key as 64 lowercase hex digits. Arguments may also be its base32 form or the 32 bytes; malformed: `TypeError`. */
export type EndpointId = string

const REDACTED = 'SecretKey(redacted)'
const KEY_FORM = 'expected 32 bytes, 64 lowercase hex digits or 52 base32 characters'
const ID_FORM = 'expected an endpoint id: 64 lowercase hex digits, 52 base32 characters or 32 bytes'

let wrap: (key: NativeSecretKey) => SecretKey
let unwrap: (key: SecretKey) => NativeSecretKey

/**
 * An ed25519 key pair. Never prints itself: text, JSON and `inspect` are redacted.
 *
 * @example
 * ```ts
 * const key = SecretKey.generate()
 * const signature = key.sign('tea')
 * console.log(verify(key.id, 'tea', signature)) // true
 * ```
 */
export class SecretKey {
  readonly #key: NativeSecretKey

  static {
    wrap = (key) => new SecretKey(key)
    unwrap = (key) => key.#key
  }

  private constructor(key: NativeSecretKey) {
    if (!(key instanceof native.NativeSecretKey)) throw new TypeError('SecretKey: use SecretKey.generate() or SecretKey.from()')
    this.#key = key
  }

  /** A new key from the system's random source. */
  static generate(): SecretKey {
    return new SecretKey(native.NativeSecretKey.generate())
  }

  /** From 32 bytes, 64 lowercase hex digits or 52 base32 characters; else `TypeError`. */
  static from(bytesOrHex: Uint8Array | string): SecretKey {
    return keyFrom(bytesOrHex, 'bytesOrHex')
  }

  /** The public half. */
  get id(): EndpointId {
    return this.#key.id
  }

  /** A copy of the 32 secret bytes. */
  toBytes(): Bytes {
    return copy(this.#key.toBytes())
  }

  /** A 64-byte ed25519 signature. */
  sign(message: BytesLike): Bytes {
    return copy(this.#key.sign(toBytes(message, 'message')))
  }

  /** `SecretKey(redacted)`. */
  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  /** @internal */
  [inspect.custom](): string {
    return REDACTED
  }
}

/** A key from any of its forms; a malformed one is a `TypeError` that does not quote it. */
export function keyFrom(value: SecretKey | Uint8Array | string, name: string): SecretKey {
  if (value instanceof SecretKey) return value
  try {
    if (typeof value === 'string') return wrap(native.NativeSecretKey.parse(value))
    if (isBytes(value)) return wrap(native.NativeSecretKey.fromBytes(value))
  } catch {
    // The cause could tell something about the secret.
  }
  throw new TypeError(`${name}: ${KEY_FORM}`)
}

/** What `bind` takes. */
export function nativeKey(key: SecretKey): NativeSecretKey {
  return unwrap(key)
}

/** An id in any of its forms as lowercase hex. */
export function toId(value: EndpointId | Uint8Array, name: string): EndpointId {
  try {
    if (typeof value === 'string') return native.parseEndpointId(value)
    if (isBytes(value)) return native.endpointIdFromBytes(value)
  } catch {
    // The argument may be a secret by mistake, so nothing is quoted.
  }
  throw new TypeError(`${name}: ${ID_FORM}`)
}

/** Whether `signature` (64 bytes) over `message` is by `id`; strict rules. */
export function verify(id: EndpointId | Uint8Array, message: BytesLike, signature: Uint8Array): boolean {
  const hex = toId(id, 'id')
  const bytes = toBytes(message, 'message')
  if (!isBytes(signature)) throw new TypeError('signature: expected a Uint8Array')
  return native.verifySignature(hex, bytes, signature)
}
