// Hooks of an endpoint: they see each dial and each finished handshake, and can say no.
import { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import { text } from '../wire/bytes.js'
import { code, shortText } from '../wire/check.js'
import type { EndpointAddr } from './addr.js'
import type { Bridge } from './bridge.js'
import type { Sink } from './call.js'
import type { Side } from './facts.js'
import type { EndpointId } from './key.js'

/** Asked in order, the first no wins; each has 5 s, then counts as no. */
export interface EndpointHook {
  /** Before any packet; false is DIAL_REJECTED. */
  beforeConnect?(to: EndpointAddr, alpn: Bytes): boolean | Promise<boolean>
  /** Both directions, after the peer is known and before anyone has the connection. */
  afterHandshake?(info: HandshakeInfo): HookVerdict | Promise<HookVerdict>
}
/** True to go on, else how to close. */
export type HookVerdict = true | { readonly code: number | bigint; readonly reason?: string }
export interface HandshakeInfo {
  readonly remoteId: EndpointId
  readonly alpn: string
  readonly side: Side
  readonly remoteAddress: string
}

const PATIENCE_MS = 5_000
/** What fits a CONNECTION_CLOSE beside other frames. */
const MAX_REASON_BYTES = 1_024
const NO = { code: 0n, reason: '' }

/** Waits for a hook, but not for ever. */
async function inTime<T>(answer: T | Promise<T>, late: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late), PATIENCE_MS)
  })
  try {
    return await Promise.race([answer, patience])
  } finally {
    clearTimeout(timer)
  }
}

/** Rejects with DIAL_REJECTED as soon as one hook says no, throws or takes too long. */
export async function askBeforeConnect(hooks: readonly EndpointHook[], to: EndpointAddr, alpns: readonly Bytes[]): Promise<void> {
  for (const hook of hooks) {
    for (const alpn of alpns) {
      let cause: unknown
      let yes = false
      try {
        yes = (await inTime(hook.beforeConnect?.(to, alpn) ?? true, false)) === true
      } catch (error) {
        cause = error
      }
      if (!yes) {
        throw new GaiwanError('DIAL_REJECTED', 'a beforeConnect hook said no', cause === undefined ? {} : { cause })
      }
    }
  }
}

/** Answers the native core about each finished handshake. */
export class HandshakeHooks implements Sink {
  readonly #bridge: Bridge
  readonly #hooks: readonly EndpointHook[]

  constructor(bridge: Bridge, hooks: readonly EndpointHook[]) {
    this.#bridge = bridge
    this.#hooks = hooks
  }

  take(token: number, body: Bytes): void {
    const info = JSON.parse(text(body)) as HandshakeInfo
    void this.#ask(info).then(({ ok, code, reason }) => this.#bridge.direct.verdict(token, ok, code, reason))
  }

  end(): void {}

  /** Never rejects: a hook that throws says no. */
  async #ask(info: HandshakeInfo): Promise<{ ok: boolean; code: bigint; reason: string }> {
    for (const hook of this.#hooks) {
      try {
        const verdict = await inTime<HookVerdict>(hook.afterHandshake?.(info) ?? true, NO)
        if (verdict === true) continue
        return {
          ok: false,
          code: code(verdict.code, 'code'),
          reason: verdict.reason === undefined ? '' : shortText(verdict.reason, 'reason', MAX_REASON_BYTES),
        }
      } catch {
        return { ok: false, ...NO }
      }
    }
    return { ok: true, ...NO }
  }
}
