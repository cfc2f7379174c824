/** W3: how many new connections, 1 and 16 at a time? Dial, full mutual handshake, echo of one byte, close. */
import { inLanes, peer } from './harness.mjs'

/** How long the lanes run before the clock starts. */
const WARM_SECONDS = 0.5

const w3 = {
  name: 'w3',

  serve(connection) {
    return connection.serve((body) => body)
  },

  async run(dialer, gate, { inFlight, seconds }) {
    const byte = Uint8Array.of(0x67)
    const step = async () => {
      const connection = await dialer.connect()
      const answer = await connection.request(byte)
      if (answer.length !== 1) throw new Error(`${answer.length} bytes came back, not 1`)
      connection.close()
    }
    await inLanes(inFlight, WARM_SECONDS, step)
    const run = await gate.ready()
    await gate.result(run, await inLanes(inFlight, seconds, step))
  },
}

await peer(w3)
