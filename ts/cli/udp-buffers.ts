// What the system grants a UDP socket.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** What gaiwan asks for, each way; must agree with `BUFFER_BYTES` in `crates/endpoint/src/socket.rs`. */
export const WANTED_BYTES = 2 * 1024 * 1024

/** Sizes in bytes, as a fresh socket on 127.0.0.1 gets them when it asks for `WANTED_BYTES`. */
export interface UdpBuffers {
  readonly wanted: number
  readonly receive: number
  readonly send: number
}

/** Asks the system as the native core does, with a socket of our own: the limits are the same for every socket. */
export async function udpBuffers(): Promise<UdpBuffers> {
  const socket = createSocket('udp4')
  try {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return { wanted: WANTED_BYTES, receive: granted(socket, 'Recv'), send: granted(socket, 'Send') }
  } finally {
    socket.close()
  }
}

function granted(socket: Socket, way: 'Recv' | 'Send'): number {
  try {
    if (way === 'Recv') socket.setRecvBufferSize(WANTED_BYTES)
    else socket.setSendBufferSize(WANTED_BYTES)
  } catch {
    // Some systems refuse what others cap; the size in force is what counts.
  }
  const size = way === 'Recv' ? socket.getRecvBufferSize() : socket.getSendBufferSize()
  // Linux books twice the size, half of it for itself (socket(7), SO_RCVBUF).
  return process.platform === 'linux' ? size / 2 : size
}
