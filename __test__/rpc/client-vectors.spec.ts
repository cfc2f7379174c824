// The rows `client` of vectors/rpc.json: `client` against a scripted server, byte for byte.
import test, { type ExecutionContext } from 'ava'
import type { BiStream, Connection } from '../../ts/index.js'
import * as r from '../../ts/rpc/index.js'
import { acceptOne, bind, until } from '../helpers/pair.js'
import { ALPN, codeOf, hex, type Row, SpanTea, Tea, unhex, vectors } from './tea.js'

type TeaClient = r.Client<typeof Tea>
interface Script {
  /** What the user does, telling of every item that came; gives what it got, or the code of what it caught. */
  readonly run: (tea: TeaClient, span: r.Client<typeof SpanTea>, came: () => void) => Promise<unknown>
  readonly outcome: unknown
}

const get = (tea: TeaClient) => tea.Get({ key: 'hello' })
const fails = async (call: Promise<unknown>) => codeOf(await call.catch((error: unknown) => error))
async function list(tea: TeaClient, _span: unknown, came: () => void): Promise<unknown[]> {
  const rows: unknown[] = []
  try {
    for await (const row of tea.List()) {
      rows.push(row)
      came()
    }
  } catch (error) {
    rows.push(codeOf(error))
  }
  return rows
}
const a = ['a', 1n]
const b = ['b', 300n]

const SCRIPTS: Record<string, Script> = {
  'unary, Some': { run: get, outcome: 'world' },
  'unary, None': { run: (tea) => tea.Get({ key: '' }), outcome: undefined },
  'unary, unit response is one zero byte': { run: (tea) => tea.Set({ key: 'k', value: Uint8Array.of(0, 255) }), outcome: undefined },
  'unary, Result Ok': { run: (tea) => tea.Div([7n, 2n]), outcome: { ok: true, value: 3n } },
  'unary, Result Err': { run: (tea) => tea.Div([1n, 0n]), outcome: { ok: false, error: 'no' } },
  'unary, request of 300 bytes has a two-byte prefix': {
    run: (tea) => tea.Set({ key: '', value: new Uint8Array(300).fill(7) }),
    outcome: undefined,
  },
  notify: { run: (tea) => tea.Log('hi', { delivered: true }), outcome: undefined },
  'server stream, three items, clean end': { run: list, outcome: [a, b, ['c', 2n ** 64n - 1n]] },
  'server stream, empty': { run: list, outcome: [] },
  'server stream, receiver dropped after one item': {
    run: async (tea) => {
      for await (const row of tea.List()) return row
      return null
    },
    outcome: a,
  },
  'client stream, two updates': {
    run: (tea) =>
      tea.SetMany([
        ['a', '1'],
        ['b', ''],
      ]),
    outcome: 2n,
  },
  'client stream, cancelled by dropping both ends': {
    run: async (tea) => {
      await using call = await tea.SetMany.open()
      await call.send(['a', '1'])
      call.answer.catch(() => {})
      return 'left'
    },
    outcome: 'left',
  },
  'bidi, three updates, three answers': {
    run: async (tea) => {
      const totals: bigint[] = []
      for await (const total of tea.Sum({ start: 10n }, [1n, -2n, 300n])) totals.push(total)
      return totals
    },
    outcome: [11n, 9n, 309n],
  },
  'unary with span_propagation, no tracer installed': { run: (_, span) => span.Get({ key: 'hello' }), outcome: 'world' },
  'fault: response stream ends empty': { run: (tea) => fails(get(tea)), outcome: 'RPC_NO_RESPONSE' },
  'fault: response stream reset with code 16': { run: (tea) => fails(get(tea)), outcome: 'RPC_HANDLER_FAILED' },
  'fault: response cut short': { run: (tea) => fails(get(tea)), outcome: 'RPC_TRUNCATED' },
  'fault: bytes after the unary response frame': { run: (tea) => fails(get(tea)), outcome: 'RPC_DECODE' },
  // Stricter than the reference on purpose.
  'accepted: unary prefix larger than what follows, value complete': { run: (tea) => fails(get(tea)), outcome: 'RPC_TRUNCATED' },
  'accepted: padding inside the unary response frame': { run: get, outcome: 'world' },
  'fault: response frame claims 16 MiB + 1': { run: (tea) => fails(get(tea)), outcome: 'RPC_TOO_LARGE' },
  'fault: response frame not decodable': { run: (tea) => fails(get(tea)), outcome: 'RPC_DECODE' },
  'fault: stream item cut short': { run: list, outcome: [a, 'RPC_TRUNCATED'] },
  // 0x80 and FIN is gaiwan's own mark for a cancelled call.
  'fault: stream item has a length prefix cut short': { run: list, outcome: [a, 'RPC_CANCELLED'] },
  'fault: server stream reset mid-way': { run: list, outcome: [a, 'RPC_HANDLER_FAILED'] },
  'fault: abort mark 90 then FIN instead of a response': { run: (tea) => fails(get(tea)), outcome: 'RPC_HANDLER_FAILED' },
  'fault: abort mark 90 then FIN after two items, both items arrive': { run: list, outcome: [a, b, 'RPC_HANDLER_FAILED'] },
  'fault: reset 16 after two items, both items are lost when unread': { run: list, outcome: ['RPC_HANDLER_FAILED'] },
  'fault: connection closed with code 0 before the response': {
    run: (tea) => fails(tea.Set({ key: 'x', value: new Uint8Array(0) })),
    outcome: 'CONNECTION_CLOSED',
  },
  'client stream, server stops the update half and answers early': {
    run: async (tea) => {
      await using call = await tea.First.open()
      await call.send(5n)
      await call.stopped
      const sent = await fails(call.send(6n))
      return [sent, await call.answer]
    },
    outcome: ['STREAM_STOPPED', 5n],
  },
  'fault: client refuses to send a request above 16 MiB': {
    run: (tea) => fails(tea.Set({ key: '', value: new Uint8Array(r.MAX_MESSAGE_BYTES) })),
    outcome: 'RPC_TOO_LARGE',
  },
  'fault: client update above 16 MiB': {
    run: async (tea) => {
      const call = await tea.SetMany.open()
      const sent = await fails(call.send(['', 'x'.repeat(17 * 1024 * 1024)]))
      call.cancel()
      call.answer.catch(() => {})
      return sent
    },
    outcome: 'RPC_TOO_LARGE',
  },
}

/** Bytes of the client half and how it ended. */
async function received({ recv }: BiStream): Promise<{ bytes: string; end: string }> {
  let bytes = ''
  try {
    for await (const chunk of recv) bytes += hex(chunk)
    return { bytes, end: 'fin' }
  } catch (error) {
    return { bytes, end: String(codeOf(error)) }
  }
}

/** Plays the server of a row; gives what came on the client half and how the answer half was taken. `came` is how many items the client has. */
async function play(
  row: Row,
  connection: Connection,
  came: () => number,
): Promise<{ bytes: string; end: string; stopped: bigint | null } | null> {
  const stream = await connection.acceptBi()
  if (stream === null) return null
  const { send, recv } = stream
  if (row.name.startsWith('client stream, server stops')) {
    const first = await recv.readExact(4)
    recv.stop(0)
    await send.write(unhex(row.serverBytes))
    await send.finish()
    return { bytes: hex(first), end: 'fin', stopped: await send.stopped }
  }
  if (row.serverEnd === 'close:0') {
    await recv.readExact(3)
    connection.close(0, 'bye')
    return null
  }
  const half = received(stream)
  if (!row.name.startsWith('notify')) {
    if (row.clientEnd === 'fin' && row.name !== 'client stream, cancelled by dropping both ends') await half
    if (row.serverBytes !== '') await send.write(unhex(row.serverBytes))
    if (row.serverEnd === 'fin') await send.finish()
    else if (row.serverEnd === 'reset:16') {
      // The row says: after the item was read, or before.
      if (row.name === 'fault: server stream reset mid-way') await until(() => came() === 1)
      send.reset(16)
    }
  }
  const stopped = row.serverEnd === 'reset:16' ? null : await send.stopped
  return { ...(await half), stopped }
}

async function check(t: ExecutionContext<unknown>, row: Row): Promise<void> {
  const script = SCRIPTS[row.name] as Script
  const [server, dialer] = [await bind(t, { alpns: [ALPN] }), await bind(t)]
  const tea = r.client(Tea, dialer, server.addr, ALPN, { drainMs: 100 })
  // The Rust client always sends a carrier.
  const span = r.client(SpanTea, dialer, server.addr, ALPN, { drainMs: 100, inject: () => ({}) })
  let items = 0
  const outcome = script.run(tea, span, () => items++)
  if (row.clientBytes !== '') {
    const connection = await acceptOne(server)
    const seen = await play(row, connection, () => items)
    if (seen !== null) {
      const torn = /cancelled|above 16 MiB/.test(row.name)
      t.is(seen.bytes, torn ? `${row.clientBytes}80` : row.clientBytes)
      t.is(seen.end, 'fin')
      const stops = /^stop:(\d+)/.exec(row.clientStopsResponse)
      if (stops !== null && row.name !== 'fault: bytes after the unary response frame') t.is(seen.stopped, BigInt(stops[1] as string))
    }
  }
  const got = await outcome
  // What was read before the reset came is not lost.
  if (row.name === 'fault: reset 16 after two items, both items are lost when unread')
    t.deepEqual((got as unknown[]).slice(-1), script.outcome)
  else t.deepEqual(got, script.outcome)
  await tea.close()
  await span.close()
}

test('every row has its script', (t) => {
  t.deepEqual(vectors.client.map(({ name }) => name).sort(), Object.keys(SCRIPTS).sort())
  t.is(vectors.client.length, 32)
})

for (const row of vectors.client) test(`client: ${row.name}`, (t) => check(t, row))

test('a request in span mode is what the reference reads and writes', async (t) => {
  const row = vectors.span[0] as (typeof vectors.span)[number]
  const [server, dialer] = [await bind(t, { alpns: [ALPN] }), await bind(t)]
  const carrier = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: '' }
  const span = r.client(SpanTea, dialer, server.addr, ALPN, { inject: () => carrier })
  const asked = span.Get({ key: 'hello' })
  const connection = await acceptOne(server)
  const stream = (await connection.acceptBi()) as BiStream
  t.is(hex(await stream.recv.readToEnd(1_000)), row.frame)
  await stream.send.write(unhex('070105776f726c64'))
  await stream.send.finish()
  t.is(await asked, 'world')
  await span.close()
})
