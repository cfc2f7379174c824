// Drives a process that is built on the real iroh crates. Its commands: `interop/src/command.rs`.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { PeerEndpoint } from './peer-handles.js'

const PROGRAM = `gaiwan-interop-peer${process.platform === 'win32' ? '.exe' : ''}`

/** Where the peer is: GAIWAN_INTEROP_PEER, else where `npm run build:interop` puts it. */
export function program(): string {
  const path = process.env.GAIWAN_INTEROP_PEER ?? fileURLToPath(new URL(`../../interop/target/release/${PROGRAM}`, import.meta.url))
  if (!existsSync(path)) throw new Error(`no interop peer at ${path}: run \`npm run build:interop\``)
  return path
}

/** A UDP port that no system gives out by itself, so that it is still free when whoever had it comes again. */
export async function ownPort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000)
    const socket = createSocket('udp4')
    try {
      socket.bind(port, '127.0.0.1')
      await once(socket, 'listening')
      return port
    } catch {
      // Somebody has it.
    } finally {
      socket.close()
      await once(socket, 'close')
    }
  }
}

/** How something ended at the peer: a refused command or a closed connection. `interop/src/fault.rs` lists the kinds. */
export interface PeerFault {
  readonly kind: string
  readonly code: bigint | null
  readonly reason: string | null
}

/** A command that failed at the peer. */
export class PeerError extends Error implements PeerFault {
  readonly kind: string
  readonly code: bigint | null
  readonly reason: string | null

  constructor(command: string, fault: WireFault) {
    super(`${command}: ${fault.kind}${fault.code === undefined ? '' : ` ${fault.code}`}: ${fault.message}`)
    this.name = 'PeerError'
    const { kind, code, reason } = toFault(fault)
    this.kind = kind
    this.code = code
    this.reason = reason
  }
}

/** A fault as it crosses: the code is decimal text. */
export interface WireFault {
  readonly kind: string
  readonly code?: string
  readonly reason?: string
  readonly message: string
}

export function toFault(fault: WireFault): PeerFault {
  return { kind: fault.kind, code: fault.code === undefined ? null : BigInt(fault.code), reason: fault.reason ?? null }
}

/** QUIC settings of the peer. */
export interface PeerTransport {
  readonly idleTimeoutMs?: number
  readonly keepAliveMs?: number
  /** False: the peer takes none. */
  readonly datagrams?: boolean
}
export interface PeerBindOptions extends PeerTransport {
  /** 64 hex digits [a new one]. */
  readonly secretKey?: string
  /** Most preferred first. */
  readonly alpns?: readonly string[]
}

interface Pending {
  readonly command: string
  resolve(value: unknown): void
  reject(error: Error): void
}

/** A running peer process. Commands run side by side; those that wait are plain promises. */
export class Peer {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>) {
    this.#process = process
    createInterface({ input: process.stdout }).on('line', (line) => this.#answer(line))
    process.stdin.on('error', () => {}) // the exit below tells more
    process.once('exit', (code, signal) => {
      for (const { command, reject } of this.#pending.values()) {
        reject(new PeerError(command, { kind: 'gone', message: `the peer ended with ${signal ?? code}` }))
      }
      this.#pending.clear()
    })
  }

  /** Starts a peer that ends with the test. */
  static async start(t: ExecutionContext<unknown>): Promise<Peer> {
    t.timeout(300_000, 'waited too long for something from the peer or from gaiwan')
    const peer = await Peer.spawn()
    t.teardown(() => peer.close())
    return peer
  }

  /** Starts a peer; the caller closes it. */
  static async spawn(): Promise<Peer> {
    const child = spawn(program(), { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(child, 'spawn')
    return new Peer(child)
  }

  /** Opens an endpoint on a free port of 127.0.0.1. */
  async bind(options: PeerBindOptions = {}): Promise<PeerEndpoint> {
    const { secretKey = null, alpns = [], ...transport } = options
    const facts = await this.call<{ endpoint: number; id: string; address: string }>('bind', { secretKey, alpns, port: 0, ...transport })
    return new PeerEndpoint(this, facts)
  }

  /** Sends one command and waits for its answer; rejects with a `PeerError`. */
  call<T>(command: string, args: object = {}): Promise<T> {
    const id = ++this.#lastId
    return new Promise<T>((resolve, reject) => {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        reject(new PeerError(command, { kind: 'gone', message: 'the peer has ended' }))
        return
      }
      this.#pending.set(id, { command, resolve: resolve as (value: unknown) => void, reject })
      this.#process.stdin.write(`${JSON.stringify({ id, cmd: command, ...args })}\n`)
    })
  }

  /** Ends it in order: whoever is connected is told. Idempotent. */
  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.stdin.end()
    await ended
  }

  /** Ends it at once: nobody is told. */
  async kill(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  #answer(line: string): void {
    const { id, ok, error } = JSON.parse(line) as { id: number; ok?: unknown; error?: WireFault }
    const pending = this.#pending.get(id)
    if (pending === undefined) throw new Error(`the peer answers what nobody asked: ${line}`)
    this.#pending.delete(id)
    if (error === undefined) pending.resolve(ok)
    else pending.reject(new PeerError(pending.command, error))
  }
}
