// Figures of a connection, and the ways to its peer.
import type { NativeStats } from '../native.js'

export type PathKind = 'direct' | 'relay' | 'custom'
export interface PathInfo {
  readonly kind: PathKind
  readonly address: string
  readonly selected: boolean
  /** Milliseconds since the last packet, null for never. */
  readonly lastSeenMs: number | null
  readonly bytesTx: number
  readonly bytesRx: number
}
export interface UdpStats {
  readonly datagrams: number
  readonly bytes: number
  readonly ios: number
}
export interface ConnectionStats {
  readonly udpTx: UdpStats
  readonly udpRx: UdpStats
  /** Count by frame name. */
  readonly frameTx: Readonly<Record<string, number>>
  readonly frameRx: Readonly<Record<string, number>>
  /** Received and dropped because nobody read them. */
  readonly datagramsDropped: number
  readonly path: {
    readonly rttMs: number
    readonly minRttMs: number
    /** Bytes. */
    readonly cwnd: number
    readonly congestionEvents: number
    readonly lostPackets: number
    readonly lostBytes: number
    readonly sentPackets: number
    /** Bytes. */
    readonly mtu: number
    readonly blackHoles: number
  }
  readonly paths: readonly PathInfo[]
}

/** When packets last arrived, as far as somebody looked. */
export class Sightings {
  #datagrams = 0
  #at: number | null = null

  /** Milliseconds since the count of received datagrams last grew between two looks. */
  lastSeenMs(datagrams: number): number | null {
    const now = performance.now()
    if (datagrams !== this.#datagrams) {
      this.#datagrams = datagrams
      this.#at = now
    }
    return this.#at === null ? null : Math.round(now - this.#at)
  }
}

/** The one path that stock QUIC has. */
export function pathsOf(native: NativeStats, address: string, sightings: Sightings): readonly PathInfo[] {
  const { udpTx, udpRx } = native
  const lastSeenMs = sightings.lastSeenMs(udpRx.datagrams)
  return [{ kind: 'direct', address, selected: true, lastSeenMs, bytesTx: udpTx.bytes, bytesRx: udpRx.bytes }]
}

export function connectionStats(native: NativeStats, paths: readonly PathInfo[]): ConnectionStats {
  const { udpTx, udpRx, frameTx, frameRx, datagramsDropped, ...path } = native
  return { udpTx, udpRx, frameTx, frameRx, datagramsDropped, path, paths }
}
