// What a connection, its streams and its loops share. While one of them lives, so does the connection.
import { fromThrown, GaiwanError } from '../errors.js'
import type { NativeStats } from '../native.js'
import { EMPTY } from '../wire/bytes.js'
import { DATAGRAM } from '../wire/records.js'
import type { BiStream } from './bi.js'
import type { Bridge } from './bridge.js'
import { byApplication, type CloseInfo, closedError, closeInfo } from './close-info.js'
import { DatagramQueue } from './datagrams.js'
import type { EndpointCore } from './endpoint-core.js'
import type { Facts } from './facts.js'
import { ConnectionLease, SendLease } from './lease.js'
import type { RecvStream } from './recv.js'
import { Sightings } from './stats.js'
import type { StreamQueue } from './stream-queue.js'

/** The shared part of a connection. */
export class ConnectionCore {
  readonly bridge: Bridge
  readonly endpoint: EndpointCore
  readonly lease: ConnectionLease
  /** Change once, when the handshake of an early connection is done. */
  facts: Facts
  /** Whether streams may have come before the handshake was done. */
  readonly wasEarly: boolean
  /** Streams of the peer, once somebody asks for them. */
  bi: StreamQueue<BiStream> | null = null
  uni: StreamQueue<RecvStream> | null = null
  #datagrams: DatagramQueue | null = null
  #info: CloseInfo | null = null
  #maxDatagram = 0
  #sightings: Sightings | null = null
  /** Whether one was taken already. */
  #datagramsWork = false
  #datagramEpoch = -1
  #closed: Promise<CloseInfo> | null = null
  /** What is still told when the handle is gone. */
  #last: { readonly address: string; readonly rttMs: number } | null = null

  constructor(endpoint: EndpointCore, handle: number, facts: Facts) {
    this.bridge = endpoint.bridge
    this.endpoint = endpoint
    this.facts = facts
    this.wasEarly = facts.early
    this.lease = new ConnectionLease(handle, endpoint.connections)
    this.bridge.own(this, this.lease)
  }

  /** The handle for a native call; throws what the end of the connection means. */
  get handle(): number {
    const { handle } = this.lease
    if (handle === 0) throw this.error
    return handle
  }

  get sightings(): Sightings {
    this.#sightings ??= new Sightings()
    return this.#sightings
  }

  get datagrams(): DatagramQueue {
    this.#datagrams ??= new DatagramQueue(this)
    return this.#datagrams
  }

  /**
   * Sends a datagram with the block of this tick. The largest size is asked for once a window: it can fall, and then
   * what is too large for the new path is lost like any datagram.
   */
  sendDatagram(data: Uint8Array): void {
    const { bridge } = this
    if (this.#datagramEpoch !== bridge.epoch || this.#maxDatagram === 0) {
      this.#maxDatagram = this.closeInfo === null ? (bridge.loose.maxDatagramBytes(this.handle) ?? 0) : 0
      this.#datagramEpoch = bridge.epoch
      bridge.touch()
    }
    if (this.#datagramsWork && data.length <= this.#maxDatagram) {
      bridge.submit(DATAGRAM, this.handle, 0, 0, data)
      return
    }
    // The native call knows why it refuses: the size, our own switch, or the end.
    this.native((native, handle) => native.direct.sendDatagram(handle, data))
    this.#datagramsWork = true
  }

  /** Null while open. */
  get closeInfo(): CloseInfo | null {
    const { handle } = this.lease
    if (this.#info !== null) return this.#info
    // Only the close of the endpoint takes the handle of an open connection.
    if (handle === 0) this.#info = BY_ENDPOINT
    else {
      const end = this.bridge.loose.closeInfo(handle)
      if (end !== null) this.#ended(closeInfo(end))
    }
    return this.#info
  }

  /** What a call after the end rejects with. */
  get error(): GaiwanError {
    const info = this.closeInfo
    return info === null ? new GaiwanError('INTERNAL', 'the connection was released') : closedError(info)
  }

  /** How loops end: true if either application closed the connection. */
  get endedWell(): boolean {
    const info = this.closeInfo
    return info === null || byApplication(info)
  }

  /** Never rejects. Holds the connection open: who waits for the end wants to see it. */
  get closed(): Promise<CloseInfo> {
    this.#closed ??= this.#waitClosed()
    return this.#closed
  }

  async #waitClosed(): Promise<CloseInfo> {
    if (this.closeInfo === null) {
      const { handle } = this.lease
      const wait = this.bridge.call(
        (native, id) => native.waitClosed(id, handle),
        () => {},
        { keep: this },
      )
      await wait.catch(() => {})
    }
    return this.closeInfo ?? BY_ENDPOINT
  }

  /** Closes, the first time. */
  close(code: bigint, reason: Uint8Array): void {
    if (this.closeInfo !== null) return
    this.bridge.direct.closeConnection(this.lease.handle, code, reason)
    this.#ended(closeInfo({ by: 'local', code, reason }))
  }

  get address(): string {
    return this.#last?.address ?? this.bridge.loose.connectionAddress(this.handle)
  }

  get rttMs(): number {
    return this.#last?.rttMs ?? this.bridge.loose.rttMs(this.handle)
  }

  /** Told for some time after the end; then it throws what a call after the end rejects with. */
  get stats(): NativeStats {
    return this.bridge.loose.stats(this.handle)
  }

  /** Calls a native method that throws its failure. */
  native<T>(call: (bridge: Bridge, handle: number) => T): T {
    try {
      return call(this.bridge, this.handle)
    } catch (error) {
      throw fromThrown(error)
    }
  }

  /** Native state is large and the collector knows nothing of it, so it goes soon after the end is known. */
  #ended(info: CloseInfo): void {
    const { bridge, lease, endpoint } = this
    this.#info = info
    const native = bridge.direct
    this.#last = { address: native.connectionAddress(lease.handle), rttMs: native.rttMs(lease.handle) }
    // What the peer sent before it closed stays readable.
    for (const half of lease.halves) if (half instanceof SendLease || info.by === 'local') bridge.release(half)
    lease.over = true
    endpoint.linger(lease)
  }
}

const BY_ENDPOINT: CloseInfo = { by: 'local', code: 0n, reason: '', reasonBytes: EMPTY }
