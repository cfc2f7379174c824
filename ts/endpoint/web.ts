// Streams in the forms of the Web and of node:stream.
import { Duplex } from 'node:stream'
import { ReadableStream, WritableStream } from 'node:stream/web'
import { applicationCodeOf } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import type { RecvStream } from './recv.js'
import type { SendStream } from './send.js'

/** A byte stream: BYOB readers get bytes straight into their memory. Cancelling stops with the reason's code. */
export function readableOf(recv: RecvStream): ReadableStream<Bytes> {
  return new ReadableStream({
    type: 'bytes',
    async pull(controller) {
      const request = controller.byobRequest
      const view = request?.view
      if (request && view) {
        const n = await recv.readInto(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
        if (n === 0) controller.close()
        request.respond(n)
        return
      }
      const chunk = await recv.read()
      if (chunk === null) controller.close()
      else controller.enqueue(chunk)
    },
    cancel(reason) {
      recv.stop(applicationCodeOf(reason))
    },
  }) as ReadableStream<Bytes>
}

/** Aborting resets with the reason's code. */
export function writableOf(send: SendStream): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    write: (chunk) => send.write(chunk),
    close: () => send.finish(),
    abort: (reason) => send.reset(applicationCodeOf(reason)),
  })
}

/** A node Duplex. Destroying it resets one half and stops the other, with the error's code. */
export function duplexOf(send: SendStream, recv: RecvStream): Duplex {
  const settle = (promise: Promise<unknown>, callback: (error?: Error | null) => void) => {
    promise.then(() => callback(), callback)
  }
  return new Duplex({
    read() {
      recv.read().then(
        (chunk) => this.push(chunk),
        (error) => this.destroy(error),
      )
    },
    write(chunk: Uint8Array, _, callback) {
      settle(send.write(chunk), callback)
    },
    final(callback) {
      settle(send.finish(), callback)
    },
    destroy(error, callback) {
      const code = applicationCodeOf(error)
      // Harmless on a half that has its end.
      if (!this.writableFinished) send.reset(code)
      recv.stop(code)
      callback(error)
    },
  })
}
