/**
 * W5: how many datagrams of 1,200 bytes arrive a second? The sender goes on while its send buffer (1 MiB) has room and
 * waits when it has none, so nothing is dropped before it was sent; the receiver counts, from its first to its last.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import { peer } from './harness.mjs'
import { countStream, sendStream, word, words } from './w1-stream.mjs'

/** Bytes of a datagram. */
const SIZE = 1_200
/** How long datagrams flow before the clock starts. */
const WARM_SECONDS = 0.5
/** Bytes of a stream that gives the path MTU discovery something to do. */
const PROBE_BYTES = 2 ** 20
/** From an empty send buffer to the question: what is on its way arrives. */
const SETTLE_MS = 100

/** Counts what came since the last question. */
class Arrived {
  count = 0
  first = 0
  last = 0

  async follow(connection) {
    for await (const datagram of connection.datagrams()) {
      this.last = performance.now()
      if (this.count === 0) this.first = this.last
      if (datagram.length === SIZE) this.count++
    }
  }

  /** The count and the nanoseconds from first to last; starts anew. */
  take() {
    const taken = [this.count, Math.round((this.last - this.first) * 1e6)]
    this.count = 0
    return taken
  }
}

/** Asks what arrived: count and seconds from first to last. */
async function ask(connection, bytes) {
  const answer = await sendStream(connection, bytes)
  return { count: word(answer, 1), seconds: word(answer, 2) / 1e9 }
}

/** Sends for `seconds`; how many, and what of it arrived in how many seconds. */
async function flow(connection, seconds) {
  const datagram = new Uint8Array(SIZE).fill(0x67)
  const room = connection.datagramSendSpace
  const end = performance.now() + seconds * 1e3
  let sent = 0
  while (performance.now() < end) {
    // Nobody else sends here, so the room that was seen can only grow until it is used.
    const fits = Math.min(64, Math.floor(connection.datagramSendSpace / SIZE))
    for (let i = 0; i < fits; i++) connection.sendDatagram(datagram)
    if (fits === 0) await connection.sendDatagramWait(datagram)
    sent += Math.max(fits, 1)
  }
  while (connection.datagramSendSpace < room) await sleep(5)
  await sleep(SETTLE_MS)
  return { sent, ...(await ask(connection, 1)) }
}

const w5 = {
  name: 'w5',

  async serve(connection) {
    const arrived = new Arrived()
    const following = arrived.follow(connection)
    for await (const { send, recv } of connection.incomingBi()) {
      await send.write(words(await countStream(recv), ...arrived.take()))
      await send.finish()
    }
    await following
  },

  async run(dialer, gate, { seconds }) {
    const connection = await dialer.connect()
    for (let i = 0; i < 1_000 && connection.maxDatagramBytes < SIZE; i++) await ask(connection, PROBE_BYTES)
    await flow(connection, WARM_SECONDS)
    const run = await gate.ready()
    const { sent, count, seconds: receiving } = await flow(connection, seconds)
    await gate.result(run, { sent, count, perSecond: count / receiving })
  },
}

await peer(w5)
