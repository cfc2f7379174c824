/** W2: how many requests of 100 bytes, each a bi stream of its own, at 1 and at 64 in flight? */
import { inLanes, peer } from './harness.mjs'

/** Bytes of a request and of its answer. */
const BODY = 100
/** More than any body here. */
const LIMIT = 1024
/** How long the lanes run before the clock starts. */
const WARM_SECONDS = 0.5

async function echo({ send, recv }) {
  await send.write(await recv.readToEnd(LIMIT))
  await send.finish()
}

/** One request over stream primitives. */
async function ask(connection, body) {
  const { send, recv } = await connection.openBi()
  await send.write(body)
  await send.finish()
  return recv.readToEnd(LIMIT)
}

const w2 = {
  name: 'w2',

  async serve(connection, { streams }) {
    if (!streams) return connection.serve((body) => body)
    for (;;) {
      const stream = await connection.acceptBi()
      if (!stream) return
      // Whoever dialed counts the answers, so a lost one is reported there.
      echo(stream).catch(() => {})
    }
  },

  async run(dialer, gate, { inFlight, seconds, streams }) {
    const connection = await dialer.connect()
    const body = new Uint8Array(BODY).fill(0x67)
    const step = async () => {
      const answer = await (streams ? ask(connection, body) : connection.request(body))
      if (answer.length !== BODY) throw new Error(`${answer.length} bytes came back, not ${BODY}`)
    }
    await inLanes(inFlight, WARM_SECONDS, step)
    const run = await gate.ready()
    await gate.result(run, await inLanes(inFlight, seconds, step))
  },
}

await peer(w2)
