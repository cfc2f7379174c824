// Peers that say what a test tells them, frame by frame. Their CBOR is that of automerge-repo, not ours.
import { cbor } from '@automerge/automerge-repo'
import type { ExecutionContext } from 'ava'
import { DOCUMENT_ALPN, type FramePrefix, REPO_ALPN } from '../../ts/automerge/index.js'
import { FrameInlet } from '../../ts/automerge/inlet.js'
import type { BiStream, Connection, Dialable, Endpoint } from '../../ts/index.js'
import { encodeFrame } from '../../ts/wire/frames.js'
import { acceptOne, bind } from '../helpers/pair.js'

type Test = ExecutionContext<unknown>
export type Said = Record<string, unknown> & { type: string }

/** One stream of a connection, in frames. */
export class Scripted {
  readonly connection: Connection
  readonly stream: BiStream
  readonly #prefix: FramePrefix
  readonly #inlet: FrameInlet

  constructor(connection: Connection, stream: BiStream, prefix: FramePrefix) {
    this.connection = connection
    this.stream = stream
    this.#prefix = prefix
    this.#inlet = new FrameInlet(stream.recv, prefix, 64 * 1024 * 1024, 30_000)
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): Promise<void> {
    return this.stream.send.write(bytes)
  }

  frame(payload: Uint8Array): Promise<void> {
    return this.raw(encodeFrame(payload, this.#prefix))
  }

  say(message: Said): Promise<void> {
    return this.frame(cbor.encode(message))
  }

  /** The next payload, null at the end. */
  next(): Promise<Uint8Array | null> {
    return this.#inlet.next()
  }

  async hear(): Promise<Said> {
    const frame = await this.next()
    if (frame === null) throw new Error('the stream ended')
    return cbor.decode(frame) as Said
  }

  /** Listens until a message of a type comes. */
  async hearThe(type: string): Promise<Said> {
    for (;;) {
      const said = await this.hear()
      if (said.type === type) return said
    }
  }
}

/** Dials with the ALPN of document sync. */
export async function dialDocument(t: Test, to: Dialable): Promise<Scripted> {
  const connection = await (await bind(t, { closeTimeoutMs: 200 })).connect(to, DOCUMENT_ALPN)
  return new Scripted(connection, await connection.openBi(), 'u64le')
}

/** Accepts one document sync. */
export async function acceptDocument(t: Test): Promise<{ readonly endpoint: Endpoint; readonly scripted: Promise<Scripted> }> {
  const endpoint = await bind(t, { alpns: [DOCUMENT_ALPN], closeTimeoutMs: 200 })
  return { endpoint, scripted: accepted(endpoint, 'u64le') }
}

/** Dials a repo, and says nothing yet. */
export async function dialRepo(t: Test, to: Dialable, from?: Endpoint): Promise<Scripted> {
  const connection = await (from ?? (await bind(t, { closeTimeoutMs: 200 }))).connect(to, REPO_ALPN)
  return new Scripted(connection, await connection.openBi(), 'u32be')
}

/** Dials a repo and shakes hands as who it is. */
export async function joinRepo(t: Test, to: { readonly endpoint: Endpoint }, from?: Endpoint): Promise<Scripted> {
  const own = from ?? (await bind(t, { closeTimeoutMs: 200 }))
  const scripted = await dialRepo(t, to.endpoint.addr, own)
  await scripted.say(join(own.id))
  const peer = await scripted.hear()
  if (peer.type !== 'peer') throw new Error(`expected peer, got ${JSON.stringify(peer)}`)
  return scripted
}

/** An endpoint that accepts one repo and answers nothing by itself. */
export async function acceptRepo(t: Test): Promise<{ readonly endpoint: Endpoint; readonly scripted: Promise<Scripted> }> {
  const endpoint = await bind(t, { alpns: [REPO_ALPN], closeTimeoutMs: 200 })
  return { endpoint, scripted: accepted(endpoint, 'u32be') }
}

export function join(senderId: string, more: Record<string, unknown> = {}): Said {
  return { type: 'join', senderId, supportedProtocolVersions: ['1'], peerMetadata: { isEphemeral: true }, ...more }
}

export function peer(senderId: string, targetId: string, more: Record<string, unknown> = {}): Said {
  return { type: 'peer', senderId, targetId, selectedProtocolVersion: '1', peerMetadata: { isEphemeral: true }, ...more }
}

async function accepted(endpoint: Endpoint, prefix: FramePrefix): Promise<Scripted> {
  const connection = await acceptOne(endpoint)
  const stream = await connection.acceptBi()
  if (stream === null) throw new Error('the peer closed before it opened a stream')
  return new Scripted(connection, stream, prefix)
}
