// What a pipe says on the wire. Agrees with dumbpipe 0.39 (`src/lib.rs`, `src/main.rs`).
import { type BiStream, type BytesLike, Endpoint, type EndpointAddr, EndpointTicket } from '../index.js'
import { type Call, wrong } from './args.js'
import { keyFrom } from './key-file.js'
import type { Output } from './output.js'

/** The protocol's name. */
export const ALPN = 'DUMBPIPEV0'
/** The five bytes by which the dialer makes its new stream visible; the acceptor takes them off. */
export const HANDSHAKE = 'hello'

/** How long a dialer may take from its handshake to its stream and the five bytes. */
const HELLO_MS = 10_000

/** The protocol that a call asks for. With an ALPN of the user's own, both sides leave the handshake bytes out. */
export interface Pipe {
  readonly alpn: BytesLike
  readonly handshake: boolean
}

/** @throws {UsageError} a custom ALPN that is neither `utf8:` text nor hex. */
export function pipeOf(call: Call): Pipe {
  const custom = call.text('custom-alpn')
  if (custom === undefined) return { alpn: ALPN, handshake: true }
  const alpn = custom.startsWith('utf8:') ? Buffer.from(custom.slice(5)) : Buffer.from(custom, 'hex')
  if (alpn.length === 0 || (!custom.startsWith('utf8:') && alpn.length * 2 !== custom.length)) {
    throw wrong(call.command, "--custom-alpn takes 'utf8:TEXT' or hex digits")
  }
  return { alpn, handshake: false }
}

/**
 * Binds the endpoint that `--secret` and `--bind` describe.
 *
 * @throws {UsageError} an address that cannot be read.
 * @throws {GaiwanError} `BIND_FAILED`; and `Error` when the key file is of no use.
 */
export async function endpointOf(call: Call, output: Output, alpns: readonly BytesLike[] = []): Promise<Endpoint> {
  const bind = call.texts('bind')
  const file = call.text('secret')
  const found = file === undefined ? null : await keyFrom(file)
  if (found?.warning) output.warn(found.warning)
  try {
    return await Endpoint.bind({ alpns, ...(bind.length > 0 && { bind }), ...(found && { secretKey: found.key }) })
  } catch (error) {
    // The key and the ALPN were read before, so only an address is left to be malformed.
    if (error instanceof TypeError || error instanceof RangeError) throw wrong(call.command, `--bind takes 'ip:port' or '[v6]:port'`)
    throw error
  }
}

/** @throws {UsageError} anything but an `endpoint…` ticket; the text is not quoted, since tickets are not for logs. */
export function ticketOf(call: Call, text: string): EndpointAddr {
  try {
    return EndpointTicket.decode(text)
  } catch {
    throw wrong(call.command, 'TICKET is not an endpoint ticket')
  }
}

/** Dials and opens the pipe's stream. */
export async function openPipe(endpoint: Endpoint, to: EndpointAddr, pipe: Pipe, signal: AbortSignal) {
  const connection = await endpoint.connect(to, pipe.alpn, { signal })
  const stream = await connection.openBi({ signal })
  if (pipe.handshake) await stream.send.write(HANDSHAKE)
  return { connection, stream }
}

/** Takes the handshake bytes off a stream that the peer opened. */
export async function greet(stream: BiStream, pipe: Pipe, signal: AbortSignal): Promise<void> {
  if (!pipe.handshake) return
  const hello = await stream.recv.readExact(HANDSHAKE.length, { signal: AbortSignal.any([signal, AbortSignal.timeout(HELLO_MS)]) })
  if (Buffer.from(hello).toString('latin1') !== HANDSHAKE)
    throw new Error('the peer does not speak the pipe protocol: its first bytes are wrong')
}

/** A signal for the wait for a peer's stream. */
export function helloLimit(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(HELLO_MS)])
}

/** Ten digits of an id, as logs show it. */
export function short(id: string): string {
  return id.slice(0, 10)
}
