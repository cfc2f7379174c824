// Joins a QUIC stream and a pair of node streams: both directions at once, each with its own end.
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { type BiStream, GaiwanError, type RecvStream, type SendStream } from '../index.js'

/** Bytes moved so far. */
export interface Moved {
  sent: number
  received: number
  /** Whether the peer has confirmed all that was sent. */
  confirmed: boolean
}
/** The local side of a copy. */
export interface Local {
  readonly from: Readable
  readonly to: Writable
  /** Ends `to` once the peer has sent all; the other direction goes on. Left out for stdout, which stays open. */
  readonly end?: () => void
  /** Breaks off, in whatever way tells the other side that not all was well; must end a pending read of `from`. */
  readonly abort: () => void
}
export interface CopyOptions {
  /** Ends the copy: the stream is reset and stopped with code 0, and the copy rejects with the reason. */
  readonly signal?: AbortSignal
  /** Called after each chunk. */
  readonly onMove?: (moved: Moved) => void
}

/** How long the last acknowledgement may take: dumbpipe 0.39 exits without one as soon as it has read our end. */
const CONFIRM_MS = 3_000

/**
 * Copies `from` to the stream and the stream to `to` until both have ended, then waits a while for the peer to confirm.
 * Back-pressure holds in both directions. The end of `from` finishes the stream, while bytes of the peer may still arrive.
 *
 * When one direction fails both are given up with code 0, as dumbpipe does. A local reader that went away (`EPIPE`) is no
 * failure: nobody wants more, so the copy ends.
 *
 * @throws {GaiwanError} `STREAM_RESET`, `STREAM_STOPPED`, `CONNECTION_CLOSED`, `CONNECTION_LOST`; errors of the node streams.
 */
export async function copyBoth({ send, recv }: BiStream, local: Local, { signal, onMove }: CopyOptions = {}): Promise<Moved> {
  const moved: Moved = { sent: 0, received: 0, confirmed: false }
  const giveUp = new AbortController()
  const stop = signal ? AbortSignal.any([signal, giveUp.signal]) : giveUp.signal
  const confirmed = confirmation(send)
  const count = (way: 'sent' | 'received') => (bytes: number) => {
    moved[way] += bytes
    onMove?.(moved)
  }
  const sending = sendAll(local, send, confirmed, stop, count('sent'))
  const receiving = receiveAll(recv, local.to, stop, count('received')).then(local.end)
  try {
    await Promise.all([sending, receiving])
    moved.confirmed = await within(CONFIRM_MS, confirmed, stop)
    return moved
  } catch (error) {
    giveUp.abort(error)
    send.reset(0)
    recv.stop(0)
    local.abort()
    await Promise.allSettled([sending, receiving])
    if (signal?.aborted) throw signal.reason
    if (isBrokenPipe(error)) return moved
    throw error
  }
}

/** Resolves when the peer has everything up to the end; rejects when it reads no more. */
function confirmation(send: SendStream): Promise<void> {
  const confirmed = send.stopped.then((code) => {
    if (code !== null) throw new GaiwanError('STREAM_STOPPED', `the peer reads no more (code ${code})`, { applicationCode: code })
  })
  confirmed.catch(() => {}) // Its readers come later; until then a rejection must not end the process.
  return confirmed
}

/** Sends all of `from` and finishes. Notices a peer that is gone although `from` is silent. */
async function sendAll(
  { from, abort }: Local,
  send: SendStream,
  confirmed: Promise<void>,
  stop: AbortSignal,
  count: (bytes: number) => void,
) {
  const gone = new AbortController()
  const signal = AbortSignal.any([stop, gone.signal])
  confirmed.catch((error: unknown) => gone.abort(error))
  signal.addEventListener('abort', abort, { once: true })
  try {
    // A plain `for await` would destroy a socket at the end of its readable half, and with it the other direction.
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Uint8Array
      await send.write(bytes)
      count(bytes.length)
    }
    signal.throwIfAborted()
    await send.finish()
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Hands every byte of `recv` to `to`, waiting whenever `to` is full, and at the end until all is with the system. */
async function receiveAll(recv: RecvStream, to: Writable, stop: AbortSignal, count: (bytes: number) => void): Promise<void> {
  const failed = new AbortController()
  // Stays for good: an error that comes after the end has nobody else to hear it, and must not end the process.
  to.on('error', (error) => failed.abort(error))
  const signal = AbortSignal.any([stop, failed.signal])
  try {
    for (;;) {
      const chunk = await recv.read(65_536, { signal })
      if (chunk === null) break
      if (!to.write(chunk)) await once(to, 'drain', { signal })
      count(chunk.length)
    }
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      to.write(new Uint8Array(0), (error) => (error ? reject(error) : resolve()))
    })
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

/**
 * Whether the peer confirmed within `ms`. A peer that closed with code 0 after our end was on its way has what it wanted:
 * its acknowledgement may have been overtaken by its close.
 */
async function within(ms: number, confirmed: Promise<void>, stop: AbortSignal): Promise<boolean> {
  const patience = new AbortController()
  const late = new Promise<false>((resolve, reject) => {
    const timer = setTimeout(resolve, ms, false)
    patience.signal.addEventListener('abort', () => clearTimeout(timer))
    stop.addEventListener('abort', () => reject(stop.reason), { once: true, signal: patience.signal })
  })
  try {
    return await Promise.race([confirmed.then(() => true), late])
  } catch (error) {
    if (GaiwanError.is(error, 'CONNECTION_CLOSED') && error.applicationCode === 0n) return true
    throw error
  } finally {
    patience.abort()
  }
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')
}
