// The TCP ends of a tunnel: addresses, sockets that end one direction at a time, and the copy between socket and stream.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { BiStream } from '../index.js'
import { type Call, wrong } from './args.js'
import { copyBoth, type Moved } from './copy.js'

/** Where to connect to or listen at. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** @throws {UsageError} anything but `host:port`, `ip:port` or `[v6]:port`. */
export function hostPortOf(call: Call, option: string): HostPort {
  const found = /^(?:\[([0-9a-f:.%\w]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(call.text(option) ?? '')
  const port = Number(found?.[3])
  if (!found || port > 65_535) throw wrong(call.command, `--${option} takes 'host:port' or '[v6]:port'`)
  return { host: (found[1] ?? found[2])!, port }
}

/** Connects; both directions of the socket end on their own. */
export async function dialTcp({ host, port }: HostPort, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
  try {
    await once(socket, 'connect', { signal })
  } catch (error) {
    socket.destroy()
    throw signal.aborted ? signal.reason : error
  }
  return socket
}

/**
 * Copies between a socket and a stream until both directions have ended. A failure on one side reaches the other as a reset,
 * so that half of an answer never looks whole.
 */
export async function joinSocket(stream: BiStream, socket: Socket, signal: AbortSignal): Promise<Moved> {
  try {
    const end = () => void socket.end()
    const abort = () => void socket.resetAndDestroy()
    return await copyBoth(stream, { from: socket, to: socket, end, abort }, { signal })
  } finally {
    socket.destroySoon()
  }
}

/** `127.0.0.1:80`, `[::1]:80`. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
