// The loopback test of `gaiwan doctor`: two endpoints on 127.0.0.1, measured from handshake to bulk.
import { type Connection, Endpoint, type EndpointOptions, Router } from '../index.js'

/** What the test found. Times in milliseconds, sizes in bytes. */
export interface SelfTest {
  readonly handshakeMs: number
  /** A request of 100 bytes and its answer, through both JavaScript sides. */
  readonly roundTripMs: number
  readonly datagramBytes: number | null
  readonly bulkBytes: number
  readonly bytesPerSecond: number
  /** UDP datagrams handed to the system in one call: over 1 when segmentation offload (GSO) works. */
  readonly datagramsPerSend: number
  /** Batches that the system joined on receipt (GRO). */
  readonly joinedReceives: number
  readonly lostPackets: number
}

const ALPN = 'gaiwan/doctor/1'
const HANDSHAKES = 9
const ROUND_TRIPS = 200
const BULK_BYTES = 64 * 1024 * 1024
const BLOCK_BYTES = 64 * 1024
const LOOPBACK: EndpointOptions = { bind: '127.0.0.1:0', closeTimeoutMs: 500 }

/**
 * Runs the test; takes a second or two.
 *
 * @throws {GaiwanError} whatever failed; `Error` when bytes were lost or the peer is not who it should be.
 */
export async function selfTest(signal: AbortSignal): Promise<SelfTest> {
  const acceptor = await Endpoint.bind(LOOPBACK)
  const router = Router.builder(acceptor).accept(ALPN, answer).spawn()
  try {
    const dialer = await Endpoint.bind(LOOPBACK)
    try {
      return await measure(dialer, acceptor, signal)
    } finally {
      await dialer.close()
    }
  } finally {
    await router.shutdown()
  }
}

/** Echoes requests, and answers a uni stream with the count of its bytes. */
async function answer(connection: Connection): Promise<void> {
  const count = async () => {
    const target = new Uint8Array(BLOCK_BYTES)
    for await (const recv of connection.incomingUni()) {
      let total = 0
      for (;;) {
        const bytes = await recv.readInto(target)
        if (bytes === 0) break
        total += bytes
      }
      const send = await connection.openUni()
      await send.write(String(total))
      await send.finish()
    }
  }
  await Promise.all([connection.serve((body) => body), count()])
}

async function measure(dialer: Endpoint, acceptor: Endpoint, signal: AbortSignal): Promise<SelfTest> {
  const dial = () => dialer.connect(acceptor.addr, ALPN, { signal })
  const handshakes: number[] = []
  for (let n = 0; n < HANDSHAKES; n++) {
    const begin = performance.now()
    const connection = await dial()
    handshakes.push(performance.now() - begin)
    connection.close()
  }
  const connection = await dial()
  if (connection.remoteId !== acceptor.id) throw new Error('the peer that answered has another id')
  const trips = await roundTrips(connection, signal)
  const seconds = await bulk(connection, signal)
  const { udpTx, path } = connection.stats()
  const result: SelfTest = {
    handshakeMs: median(handshakes),
    roundTripMs: median(trips),
    datagramBytes: connection.maxDatagramBytes,
    bulkBytes: BULK_BYTES,
    bytesPerSecond: Math.round(BULK_BYTES / seconds),
    datagramsPerSend: udpTx.datagrams / Math.max(1, udpTx.ios),
    joinedReceives: acceptor.metrics().socket_recv_gro_datagrams ?? 0,
    lostPackets: path.lostPackets,
  }
  connection.close()
  return result
}

async function roundTrips(connection: Connection, signal: AbortSignal): Promise<number[]> {
  const body = new Uint8Array(100)
  const times: number[] = []
  for (let n = 0; n < ROUND_TRIPS; n++) {
    const begin = performance.now()
    const { length } = await connection.request(body, { signal })
    times.push(performance.now() - begin)
    if (length !== body.length) throw new Error(`a request of ${body.length} bytes came back with ${length}`)
  }
  return times
}

/** Seconds from the first write until the other side says that it has everything. */
async function bulk(connection: Connection, signal: AbortSignal): Promise<number> {
  const block = new Uint8Array(BLOCK_BYTES)
  const begin = performance.now()
  const send = await connection.openUni({ signal })
  for (let sent = 0; sent < BULK_BYTES; sent += BLOCK_BYTES) await send.write(block, { signal })
  await send.finish()
  const receipt = await connection.acceptUni({ signal })
  const total = Number(new TextDecoder().decode(await receipt?.readToEnd(100, { signal })))
  if (total !== BULK_BYTES) throw new Error(`${BULK_BYTES} bytes were sent and ${total} arrived`)
  return (performance.now() - begin) / 1000
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}
