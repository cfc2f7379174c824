/** The bridge without the facade: just enough of `docs/design/boundary.md` to time single crossings. */
import { createRequire } from 'node:module'

export const native = createRequire(import.meta.url)('../../index.cjs')

const SLAB_BYTES = 256 * 1024
/** Room that `drain` wants behind the offset. */
const SLAB_RESERVE = 4_352
const OK = 0
const ITEM = 2
const END = 3
const LARGE = 0x80

/** One bridge; `call` gives a promise for each call id. */
export class Raw {
  #calls = new Map()
  #last = 0
  constructor() {
    this.bridge = new native.NativeBridge(() => this.#wake())
  }

  /** Makes a call and waits for its one record: `{aux, body}`. */
  call(make) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last
      this.#calls.set(id, { resolve, reject })
      make(this.bridge, id)
    })
  }

  /** Hears the items of a subscription; rejects when it fails. */
  subscribe(id, item) {
    return new Promise((resolve, reject) => this.#calls.set(id, { item, resolve, reject }))
  }

  /** Drops a call that was answered at once. */
  forget(id) {
    this.#calls.delete(id)
  }

  #wake() {
    for (;;) {
      const slab = new Uint8Array(SLAB_BYTES)
      let used = 0
      while (used + SLAB_RESERVE <= SLAB_BYTES) {
        const next = this.bridge.drain(slab, used)
        if (next === used) return
        this.#settle(slab, used, next)
        used = next
      }
    }
  }

  #settle(slab, from, to) {
    const view = new DataView(slab.buffer)
    let at = from
    while (at < to) {
      const [id, kind, aux, length] = [0, 4, 8, 12].map((word) => view.getUint32(at + word, true))
      const large = (kind & LARGE) !== 0
      const body = large ? new Uint8Array(length) : slab.subarray(at + 16, at + 16 + length)
      if (large) this.bridge.takeLarge(body)
      at += large ? 16 : 16 + ((length + 3) & ~3)
      const call = this.#calls.get(id)
      if ((kind & 15) === ITEM) {
        call?.item({ aux, body })
        continue
      }
      this.#calls.delete(id)
      if ((kind & 15) === OK || (kind & 15) === END) call?.resolve({ aux, body })
      else call?.reject(new Error(Buffer.from(body).toString()))
    }
  }
}

const ALPN = Buffer.from('gaiwan-bench/micro')

/** Two endpoints of one bridge, connected, with a uni stream: handles by name, and `close()`. */
export async function rawPair() {
  const raw = new Raw()
  const bind = (key) =>
    raw.call((bridge, id) => bridge.bind(id, key, { bind: [{ address: '127.0.0.1:0', required: true }], alpns: [ALPN] }))
  const serverKey = native.NativeSecretKey.generate()
  const [server, client] = await Promise.all([bind(serverKey), bind(native.NativeSecretKey.generate())])
  const to = { id: serverKey.id, addresses: JSON.parse(Buffer.from(server.body).toString()).boundAddresses }
  const accepting = raw
    .call((bridge, id) => bridge.nextIncoming(id, server.aux))
    .then((incoming) => raw.call((bridge, id) => bridge.incomingAccept(id, incoming.aux, {})))
  const dialed = await raw.call((bridge, id) => bridge.connect(id, client.aux, to, [ALPN], {}))
  const accepted = await accepting
  const send = raw.bridge.openUni(dialed.aux, 0xffff_fff0, 0)
  if (send === 0) throw new Error('no stream credit right after the handshake')
  return {
    raw,
    bridge: raw.bridge,
    dialed: dialed.aux,
    accepted: accepted.aux,
    send,
    close: () => Promise.all([client, server].map((it) => raw.call((bridge, id) => bridge.closeEndpoint(id, it.aux)))),
  }
}
