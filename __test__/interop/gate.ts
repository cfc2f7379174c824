// A UDP gate between a dialer and an acceptor: holds back what the acceptor says, so that a handshake ends when the test wants.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'

/** What stands in bits 4 to 7 of the first byte (RFC 9000, sections 17.2.2 and 17.2.3); header protection leaves them in clear. */
const INITIAL = 0xc0
const ZERO_RTT = 0xd0

/** Dialers dial `addresses`; every datagram goes on to `target`, the answers come back. One dialing socket at a time. */
export class Gate {
  readonly #front: Socket
  #dialer: RemoteInfo | null = null
  #held: Buffer[] | null = null
  #onEarly: (() => void) | null = null
  /** Where datagrams go, `'127.0.0.1:port'`; an acceptor that was bound anew has another. */
  target = ''

  private constructor(front: Socket, back: Socket) {
    this.#front = front
    front.on('message', (datagram, from) => {
      this.#dialer = from
      if (hasEarlyPacket(datagram)) this.#onEarly?.()
      back.send(datagram, Number(this.target.split(':')[1]), '127.0.0.1')
    })
    back.on('message', (datagram) => {
      if (this.#held !== null) this.#held.push(datagram)
      else this.#pass(datagram)
    })
  }

  /** A gate that is gone with the test. */
  static async open(t: ExecutionContext<unknown>): Promise<Gate> {
    const sockets = [createSocket('udp4'), createSocket('udp4')] as const
    for (const socket of sockets) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      t.teardown(() => socket.close())
    }
    return new Gate(...sockets)
  }

  /** What a dialer is to use as the acceptor's addresses. */
  get addresses(): string[] {
    return [`127.0.0.1:${this.#front.address().port}`]
  }

  /** Keeps what the acceptor says until `release`. */
  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const datagram of held) this.#pass(datagram)
  }

  /** Waits for the next 0-RTT packet of the dialer to go through. */
  earlyPacket(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEarly = resolve
    })
  }

  #pass(datagram: Buffer): void {
    if (this.#dialer !== null) this.#front.send(datagram, this.#dialer.port, this.#dialer.address)
  }
}

/** Whether a datagram of the dialer has a 0-RTT packet, alone or behind an Initial. */
function hasEarlyPacket(datagram: Buffer): boolean {
  let at = 0
  while (at < datagram.length) {
    const type = datagram.readUInt8(at) & 0xf0
    if (type === ZERO_RTT) return true
    if (type !== INITIAL) return false
    // Flags, version, destination and source id, token, then the length of what is left of the packet.
    at += 5
    at += 1 + datagram.readUInt8(at)
    at += 1 + datagram.readUInt8(at)
    const token = varint(datagram, at)
    at = token.end + token.value
    const rest = varint(datagram, at)
    at = rest.end + rest.value
  }
  return false
}

/** A QUIC varint of up to four bytes (RFC 9000, section 16): no length in a datagram is larger. */
function varint(bytes: Buffer, at: number): { value: number; end: number } {
  const length = 1 << (bytes.readUInt8(at) >> 6)
  const value = bytes.readUIntBE(at, Math.min(length, 4)) & (2 ** (8 * length - 2) - 1)
  return { value, end: at + length }
}
