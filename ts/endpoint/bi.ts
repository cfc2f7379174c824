// Both halves of a bi stream.
import type { Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import type { Bytes } from '../wire/bytes.js'
import type { ConnectionCore } from './connection-core.js'
import { makeRecv, type RecvStream } from './recv.js'
import { makeSend, type SendStream } from './send.js'
import { duplexOf } from './web.js'

/** Two halves that end independently; also a pair of Web Streams, or a node Duplex. Use one of these forms only. */
export interface BiStream {
  readonly send: SendStream
  readonly recv: RecvStream
  readonly readable: ReadableStream<Bytes>
  readonly writable: WritableStream<Uint8Array>
  /** For `pipeline`; destroying it resets and stops. */
  duplex(): Duplex
}

class Halves implements BiStream {
  readonly send: SendStream
  readonly recv: RecvStream

  constructor(send: SendStream, recv: RecvStream) {
    this.send = send
    this.recv = recv
  }

  get readable(): ReadableStream<Bytes> {
    return this.recv.readable
  }

  get writable(): WritableStream<Uint8Array> {
    return this.send.writable
  }

  duplex(): Duplex {
    return duplexOf(this.send, this.recv)
  }
}

/** Wraps the handles `handle` (send) and `handle + 1` (recv). */
export function makeBi(core: ConnectionCore, handle: number): BiStream {
  return new Halves(makeSend(core, handle), makeRecv(core, handle + 1))
}
