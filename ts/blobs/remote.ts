// What a provider has and sends, past the store.
import type { Connection } from '../endpoint/connection.js'
import { connectionCore } from '../endpoint/connection.js'
import type { ConnectionCore } from '../endpoint/connection-core.js'
import { Lease } from '../endpoint/lease.js'
import type { NativeBridge } from '../native.js'
import type { Bytes } from '../wire/bytes.js'
import type { Bitfield } from './info.js'
import { bitfieldOf } from './status.js'

/** Pieces of one request, until there are no more. Whoever leaves ends the request. */
export async function* pieces(
  core: ConnectionCore,
  open: (native: NativeBridge, call: number, connection: number) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Bytes, undefined, undefined> {
  signal?.throwIfAborted()
  const { bridge, handle } = core
  const { pending } = core.endpoint
  const lease = await bridge.call(
    (native, call) => open(native, call, handle),
    (remote) => new Lease(remote),
    { signal, group: pending, keep: core },
  )
  try {
    for (;;) {
      const piece = await bridge.call(
        (native, call) => native.blobsNext(call, lease.handle),
        (more, body) => (more === 0 ? null : body),
        { signal, group: pending, keep: core },
      )
      if (piece === null) return
      yield piece
    }
  } finally {
    bridge.release(lease)
  }
}

/** Bitfields of JSON pieces. */
export async function* bitfields(from: AsyncIterable<Bytes>): AsyncGenerator<Bitfield, undefined, undefined> {
  for await (const piece of from) yield bitfieldOf(piece)
}

/** Runs `use` with a connection; one that was made for it is closed behind it. */
export async function* over<T>(
  connection: Promise<Connection> | Connection,
  isOwn: boolean,
  use: (core: ConnectionCore) => AsyncIterable<T>,
): AsyncGenerator<T, undefined, undefined> {
  const open = await connection
  try {
    yield* use(connectionCore(open, 'provider'))
  } finally {
    if (isOwn) open.close()
  }
}
