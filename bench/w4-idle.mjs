/**
 * W4: what does an idle connection keep in memory? Both processes read the growth of their resident memory;
 * 100 connections are open before the first reading, so that what is made once is not counted.
 */
import { setTimeout as sleep } from 'node:timers/promises'

import { peer } from './harness.mjs'

/** Connections before the first reading. */
const WARM = 100
/** Dials under way. */
const LANES = 16
/** Idle time before the second reading: acknowledgements and path MTU probes are over by then. */
const SETTLE_MS = 2_000

async function open(dialer, count) {
  const all = []
  let left = count
  const lane = async () => {
    while (left-- > 0) all.push(await dialer.connect())
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await sleep(SETTLE_MS)
  return all
}

const w4 = {
  name: 'w4',

  async serve(connection) {
    await connection.closed
  },

  async run(dialer, gate, { connections }) {
    const warm = await open(dialer, WARM)
    const run = await gate.ready()
    const measured = await open(dialer, connections)
    await gate.result(run, { connections: measured.length })
    for (const connection of [...warm, ...measured]) connection.close()
  },
}

await peer(w4)
