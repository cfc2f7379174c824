/** The facade of the experiment: requests with promises over `src/native.rs`, all on this thread. */
import { fileURLToPath } from 'node:url'

/** Of `src/records.rs`, in its order. */
const [CONNECTED, ANSWER, REQUEST, WRITABLE, CHUNK, END, FAILED, LOST] = [0, 1, 2, 3, 4, 5, 6, 7]
/** Bytes of a record without its payload. */
const HEAD = 16

/**
 * @typedef {object} Options
 * @property {string} alpn
 * @property {number} [lookUs] how long the thread looks for the next packet before it sleeps
 * @property {boolean} [direct] it looks by asking the socket, not by turning the loop
 * @property {(body: Uint8Array) => Uint8Array | Promise<Uint8Array>} [serve] answers requests
 * @property {(chunk: Uint8Array | null) => void} [sink] takes the peer's one-way streams; null is the end of one
 */

/** One UDP socket; at most one connection of our own, any number of the peers'. */
export class OnThreadEndpoint {
  #native
  #alpn
  #serve
  #sink
  #connection
  #asked = new Map()
  #nextId = 0
  #due = false
  #connecting
  #writable

  /** @param {Options} options */
  constructor({ alpn, lookUs = 0, direct = false, serve, sink }) {
    this.#alpn = alpn
    this.#serve = serve
    this.#sink = sink
    this.#native = new (load().OnThread)([alpn], (block) => this.#take(block), lookUs, direct)
  }

  get id() {
    return this.#native.id
  }

  get address() {
    return this.#native.address
  }

  /** Dials; resolves when the handshake is done. */
  connect(to, id) {
    this.#connection = this.#native.connect(to, id, this.#alpn)
    this.#later()
    return new Promise((resolve, reject) => {
      this.#connecting = { resolve, reject }
    })
  }

  /** Sends `body` on a stream of its own; resolves with the whole answer. */
  request(body) {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#asked.set(id, { resolve, reject })
      this.#native.request(this.#connection, id, body)
      this.#later()
    })
  }

  /** Opens a one-way stream. */
  open() {
    const stream = this.#native.open(this.#connection)
    if (stream === null) throw new Error('the peer allows no more streams')
    return stream
  }

  /** Appends to it; a promise while QUIC has not taken all, and one stream at a time may wait so. */
  write(stream, chunk, finish = false) {
    const taken = this.#native.write(this.#connection, stream, chunk, finish)
    this.#later()
    if (taken) return
    return new Promise((resolve, reject) => {
      this.#writable = { resolve, reject }
    })
  }

  /** `[packets sent, packets taken for lost, round trip in us]` of our connection. */
  stats() {
    return this.#native.stats(this.#connection)
  }

  close() {
    this.#native.close()
  }

  /** What one tick makes due leaves in as few packets as it needs. */
  #later() {
    if (this.#due) return
    this.#due = true
    queueMicrotask(() => {
      this.#due = false
      this.#native.flush()
    })
  }

  #take(block) {
    const words = new Uint32Array(block)
    for (let at = 0; at < block.byteLength; ) {
      const word = at >> 2
      const length = words[word + 3]
      this.#handle(words[word], words[word + 1], words[word + 2], new Uint8Array(block, at + HEAD, length))
      at += HEAD + ((length + 3) & ~3)
    }
  }

  #handle(kind, connection, id, bytes) {
    switch (kind) {
      case ANSWER:
        this.#settle(id).resolve(bytes)
        break
      case REQUEST:
        this.#answer(connection, id, this.#serve(bytes))
        break
      case WRITABLE:
        this.#writable.resolve()
        break
      case CHUNK:
        this.#sink(bytes)
        break
      case END:
        this.#sink(null)
        break
      case CONNECTED:
        this.#connecting.resolve()
        break
      case FAILED:
        this.#settle(id).reject(new Error('the peer reset the stream'))
        break
      case LOST:
        this.#lose(new Error(new TextDecoder().decode(bytes)))
    }
  }

  #settle(id) {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    return asked
  }

  #answer(connection, stream, answer) {
    if (!(answer instanceof Uint8Array)) {
      answer.then((body) => this.#answer(connection, stream, body))
      return
    }
    this.#native.respond(connection, stream, answer)
    this.#later()
  }

  #lose(error) {
    this.#connecting?.reject(error)
    this.#writable?.reject(error)
    for (const { reject } of this.#asked.values()) reject(error)
    this.#asked.clear()
  }
}

/** The addon that `pair.mjs` builds; a shared library is one under any name. */
function load() {
  const module = { exports: {} }
  process.dlopen(module, fileURLToPath(new URL('target/release/libgaiwan_bench_onthread.so', import.meta.url)))
  return module.exports
}
