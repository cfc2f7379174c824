import test from 'ava'
import type { ProviderEvent, TransferStats } from '../../../ts/blobs/index.js'
import { Call } from '../../../ts/cli/args.js'
import { Peers, type Told } from '../../../ts/cli/blobs/peers.js'
import { provideOptions, sizeOf } from '../../../ts/cli/blobs/provide.js'
import { contentText, parseContent } from '../../../ts/cli/blobs/what.js'

const [LU, MO] = ['1'.repeat(64), '2'.repeat(64)] as const
const [ROOT, A, B] = ['a0', 'aa', 'bb'].map((pair) => pair.repeat(32)) as [string, string, string]
const stats = (bytes: number): TransferStats => ({
  payloadBytesRead: 0,
  payloadBytesWritten: bytes,
  otherBytesRead: 0,
  otherBytesWritten: 8,
  elapsedMs: 1_200,
})
const LUS = { connectionId: 0, remoteId: LU, requestId: 7 } as const
const MOS = { connectionId: 1, remoteId: MO, requestId: 7 } as const

/** Peers with a list of what was told to whom. */
function told(json = false) {
  const said: string[] = []
  const output: Told = {
    json,
    report: (fields, ...lines) => void said.push(json ? JSON.stringify(fields) : lines.join('|')),
    note: (fields, line) => void said.push(json ? JSON.stringify(fields) : `(${line})`),
    progress: () => {},
  }
  const peers = new Peers(
    output,
    new Map([
      [A, 'tea.jpg'],
      [B, 'pot\u001b.txt'],
    ]),
  )
  return { said, peers, on: (...events: ProviderEvent[]) => events.forEach(peers.on) }
}

test('who fetches what is one line while it runs', (t) => {
  const { peers, on } = told()
  t.is(peers.line(80), '')
  on({ type: 'request', ...LUS, request: 'get', hash: ROOT })
  t.is(peers.line(80), '')
  on({ type: 'started', ...LUS, index: 2, hash: A, size: 1_000 }, { type: 'progress', ...LUS, index: 2, endOffset: 459 })
  t.is(peers.line(80), '1111111111 tea.jpg 45 %')
  on({ type: 'request', ...MOS, request: 'get', hash: B }, { type: 'started', ...MOS, index: 0, hash: B, size: 0 })
  t.is(peers.line(80), '2 requests: 1111111111 tea.jpg 45 %, 2222222222 pot\\u001b.txt 100 %')
  t.is(peers.line(20).length, 20)
  on({ type: 'completed', ...LUS, stats: stats(1_000) })
  t.is(peers.line(80), '2222222222 pot\\u001b.txt 100 %')
  on({ type: 'disconnected', connectionId: 1, remoteId: MO })
  t.is(peers.line(80), '')
})

test('what is over is told for good, what only looked is not', (t) => {
  const { said, peers, on } = told()
  on(
    { type: 'connected', connectionId: 0, remoteId: LU },
    { type: 'request', ...LUS, request: 'get', hash: ROOT },
    { type: 'started', ...LUS, index: 0, hash: ROOT, size: 96 },
    { type: 'completed', ...LUS, stats: stats(96) },
    // Sizes: the last chunk of each.
    { type: 'request', ...LUS, requestId: 6, request: 'get', hash: ROOT },
    { type: 'started', ...LUS, requestId: 6, index: 2, hash: A, size: 5_000_000 },
    { type: 'started', ...LUS, requestId: 6, index: 3, hash: B, size: 5_000 },
    { type: 'completed', ...LUS, requestId: 6, stats: stats(832 + 904) },
    { type: 'request', ...LUS, requestId: 8, request: 'get', hash: ROOT },
    { type: 'started', ...LUS, requestId: 8, index: 2, hash: A, size: 5_000_000 },
    { type: 'completed', ...LUS, requestId: 8, stats: stats(5_000_000) },
    { type: 'request', ...LUS, requestId: 9, request: 'get', hash: A },
    { type: 'started', ...LUS, requestId: 9, index: 0, hash: A, size: 5_000_000 },
    { type: 'aborted', ...LUS, requestId: 9, stats: stats(2_000) },
    { type: 'disconnected', connectionId: 0, remoteId: LU },
  )
  t.deepEqual(said, [
    '(1111111111 connected.)',
    '(1111111111 got 96 B in 1.2 s)',
    '(1111111111 got 1.7 kB in 1.2 s)',
    '1111111111 got 5.0 MB in 1.2 s',
    '1111111111 left after 2.0 kB in 1.2 s: tea.jpg',
    '(1111111111 left.)',
  ])
  t.is(peers.sent, 5_002_096 + 1_736)
})

test('programs get every event but progress, also of requests whose beginning was lost', (t) => {
  const { said, on } = told(true)
  on(
    { type: 'progress', ...LUS, index: 0, endOffset: 5 },
    { type: 'started', ...LUS, index: 0, hash: A, size: 5 },
    { type: 'completed', ...LUS, stats: stats(5) },
    { type: 'request', ...LUS, request: 'observe', hash: A },
  )
  t.deepEqual(
    said.map((line) => JSON.parse(line)),
    [
      { event: 'started', ...LUS, index: 0, hash: A, size: 5 },
      { event: 'completed', ...LUS, hash: null, bytes: 5, elapsedMs: 1_200 },
      { event: 'request', ...LUS, request: 'observe', hash: A },
    ],
  )
})

test('sizes are read in the units that the command shows', (t) => {
  for (const [text, size] of [
    ['1', 1],
    ['500k', 500_000],
    ['1.5M', 1_500_000],
    ['2GB', 2_000_000_000],
    ['10 kb', 10_000],
    ['3b', 3],
    ['1T', 1e12],
  ] as const)
    t.is(sizeOf(text), size, text)
  for (const text of ['', '0', '-1', 'k', '1x', '1kk', '1e9', '99999999T', '.5M']) t.is(sizeOf(text), null, text)
})

test('--allow and the hashes that are offered both decide, and neither means everyone', async (t) => {
  const call = (values: object) => new Call('send', [], values as Record<string, unknown>)
  t.deepEqual(provideOptions(call({})), {})
  t.deepEqual(provideOptions(call({ 'max-rate': '2M' })), { limits: { maxUploadRate: 2_000_000 } })
  const { authorize } = provideOptions(call({ allow: [LU] }), new Set([A]))
  t.deepEqual([await authorize!(LU, A, 'get'), await authorize!(LU, B, 'get'), await authorize!(MO, A, 'get')], [true, false, false])
  t.true(await provideOptions(call({}), new Set([A])).authorize!(MO, A, 'get'))
  t.throws(() => provideOptions(call({ allow: ['lu'] })), { name: 'UsageError' })
  t.throws(() => provideOptions(call({ 'max-rate': 'fast' })), { name: 'UsageError' })
})

test('content is a hash, or s and a hash', (t) => {
  t.deepEqual(parseContent(A), { hash: A, format: 'raw' })
  t.deepEqual(parseContent(`s${A}`), { hash: A, format: 'hashSeq' })
  for (const text of ['', 's', 'tea', A.slice(1), `ss${A}`, A.toUpperCase()]) t.is(parseContent(text), null, text)
  for (const format of ['raw', 'hashSeq'] as const) t.deepEqual(parseContent(contentText({ hash: A, format })), { hash: A, format })
})
