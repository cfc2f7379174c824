// The rows `client` of vectors/rpc.json: our client writes what a Rust client wrote, and understands what it was answered.
// The other side is scripted, by streams of the reference.
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import * as r from '../../ts/rpc/index.js'
import { Peer } from './peer.js'
import { bind, SPAN_ALPN, SpanTea, TEA_ALPN, Tea } from './rpc-tea.js'

type Test = ExecutionContext<unknown>
type TeaClient = r.Client<typeof Tea>

interface Row {
  readonly name: string
  readonly clientBytes: string
  readonly serverBytes: string
  readonly serverEnd: string
}

const { client } = JSON.parse(readFileSync(new URL('../../vectors/rpc.json', import.meta.url), 'utf8')) as { client: readonly Row[] }

function row(name: string): Row {
  const found = client.find((one) => one.name === name)
  if (found === undefined) throw new Error(`no row ${name}`)
  return found
}

/** The items, then the code if they ended with an error. */
async function items(answers: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  try {
    for await (const answer of answers) all.push(answer)
  } catch (error) {
    all.push(error instanceof r.RpcError ? error.code : error)
  }
  return all
}

/** The answer, or the code. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    return error instanceof r.RpcError ? error.code : error
  }
}

interface Case {
  readonly row: string
  readonly call: (tea: TeaClient) => Promise<unknown>
  readonly is: unknown
}

const get = (tea: TeaClient) => outcome(tea.Get({ key: 'hello' }))
const list = (tea: TeaClient) => items(tea.List())
const A = ['a', 1n]
const B = ['b', 300n]

const CASES: readonly Case[] = [
  { row: 'unary, Some', call: get, is: 'world' },
  { row: 'unary, None', call: (tea) => tea.Get({ key: '' }), is: undefined },
  { row: 'unary, unit response is one zero byte', call: (tea) => tea.Set({ key: 'k', value: Uint8Array.of(0, 255) }), is: undefined },
  { row: 'unary, Result Ok', call: async (tea) => (await tea.Div([7n, 2n])).value, is: 3n },
  { row: 'unary, Result Err', call: async (tea) => (await tea.Div([1n, 0n])).error, is: 'no' },
  {
    row: 'unary, request of 300 bytes has a two-byte prefix',
    call: (tea) => tea.Set({ key: '', value: new Uint8Array(300).fill(7) }),
    is: undefined,
  },
  { row: 'notify', call: (tea) => tea.Log('hi', { delivered: true }), is: undefined },
  { row: 'server stream, three items, clean end', call: list, is: [A, B, ['c', 2n ** 64n - 1n]] },
  { row: 'server stream, empty', call: list, is: [] },
  {
    row: 'client stream, two updates',
    call: (tea) =>
      tea.SetMany([
        ['a', '1'],
        ['b', ''],
      ]),
    is: 2n,
  },
  { row: 'bidi, three updates, three answers', call: (tea) => items(tea.Sum({ start: 10n }, [1n, -2n, 300n])), is: [11n, 9n, 309n] },
  { row: 'fault: response stream ends empty', call: get, is: 'RPC_NO_RESPONSE' },
  { row: 'fault: response stream reset with code 16', call: get, is: 'RPC_HANDLER_FAILED' },
  { row: 'fault: response cut short', call: get, is: 'RPC_TRUNCATED' },
  // Stricter than the reference on purpose, see section 9 of rpc.md.
  { row: 'accepted: unary prefix larger than what follows, value complete', call: get, is: 'RPC_TRUNCATED' },
  { row: 'accepted: padding inside the unary response frame', call: get, is: 'world' },
  { row: 'fault: response frame claims 16 MiB + 1', call: get, is: 'RPC_TOO_LARGE' },
  { row: 'fault: response frame not decodable', call: get, is: 'RPC_DECODE' },
  { row: 'fault: stream item cut short', call: list, is: [A, 'RPC_TRUNCATED'] },
  // To the reference a torn prefix, to us its mark that the call is no longer wanted.
  { row: 'fault: stream item has a length prefix cut short', call: list, is: [A, 'RPC_CANCELLED'] },
  { row: 'fault: abort mark 90 then FIN instead of a response', call: get, is: 'RPC_HANDLER_FAILED' },
  { row: 'fault: abort mark 90 then FIN after two items, both items arrive', call: list, is: [A, B, 'RPC_HANDLER_FAILED'] },
]

/** A client of ours at a peer that serves nothing by itself; plays a row there. */
async function play(t: Test, { row: name, call, is }: Case): Promise<void> {
  const { clientBytes, serverBytes, serverEnd } = row(name)
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [TEA_ALPN] })])
  await there.accept()
  const tea = r.client(Tea, endpoint, there.addr, TEA_ALPN, { drainMs: 0 })
  t.teardown(() => tea.close())
  const called = call(tea)
  called.catch(() => {}) // looked at below
  const { send, recv } = await (await there.nextConnection()).acceptBi()
  t.is(Buffer.from(await recv.readBytes()).toString('hex'), clientBytes)
  if (serverBytes !== '') await send.write(Buffer.from(serverBytes, 'hex'))
  const reset = /^reset:(\d+)$/.exec(serverEnd)?.[1]
  if (reset !== undefined) await send.reset(Number(reset))
  else if (serverEnd === 'fin') await send.finish()
  t.deepEqual(await called, is)
}

for (const one of CASES) test(one.row, (t) => play(t, one))

test('unary with span_propagation, no tracer installed', async (t) => {
  const { clientBytes, serverBytes } = row(t.title)
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [SPAN_ALPN] })])
  await there.accept()
  const tea = r.client(SpanTea, endpoint, there.addr, SPAN_ALPN)
  t.teardown(() => tea.close())
  const called = tea.Get({ key: 'hello' })
  const { send, recv } = await (await there.nextConnection()).acceptBi()
  // Without a tracer a Rust client sends an empty map of headers; none at all, which is shorter, means the same.
  t.true([clientBytes, `0800${clientBytes.slice(6)}`].includes(Buffer.from(await recv.readBytes()).toString('hex')))
  await send.write(Buffer.from(serverBytes, 'hex'))
  await send.finish()
  t.is(await called, 'world')
})

test('server stream, receiver dropped after one item', async (t) => {
  const { clientBytes, serverBytes } = row(t.title)
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [TEA_ALPN] })])
  await there.accept()
  const tea = r.client(Tea, endpoint, there.addr, TEA_ALPN)
  t.teardown(() => tea.close())
  const answers = tea.List()
  const first = answers.next()
  const { send, recv } = await (await there.nextConnection()).acceptBi()
  t.is(Buffer.from(await recv.readBytes()).toString('hex'), clientBytes)
  await send.write(Buffer.from(serverBytes, 'hex'))
  t.deepEqual((await first).value, ['a', 1n])
  await answers.return()
  t.is(await send.stopped(), 0n)
})

test('client stream, cancelled: what Rust ends well we end with a mark, so that half an upload does not look whole', async (t) => {
  const { clientBytes } = row('client stream, cancelled by dropping both ends')
  const peer = await Peer.start(t)
  const [endpoint, there] = await Promise.all([bind(t), peer.bind({ alpns: [TEA_ALPN] })])
  await there.accept()
  const tea = r.client(Tea, endpoint, there.addr, TEA_ALPN)
  t.teardown(() => tea.close())
  const call = await tea.SetMany.open()
  const answered = t.throwsAsync(call.answer, { message: 'enough' })
  await call.send(['a', '1'])
  const { send, recv } = await (await there.nextConnection()).acceptBi()
  const read = await recv.read(Buffer.from(clientBytes, 'hex').length)
  call.cancel(new Error('enough'))
  const rest = await recv.readBytes()
  t.is(Buffer.from(read ?? '').toString('hex') + Buffer.from(rest).toString('hex'), `${clientBytes}80`)
  t.is(await send.stopped(), 0n)
  await answered
})
