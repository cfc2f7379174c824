// The rows `server` of vectors/rpc.json: a scripted client, byte for byte, against `serve`. Where the reference gives the
// connection up, gaiwan refuses the one request with an abort mark and stays.
import test, { type ExecutionContext } from 'ava'
import type { BiStream, Connection } from '../../ts/index.js'
import { until } from '../helpers/pair.js'
import { ALPN, hex, type Row, type Served, serveTea, unhex, vectors } from './tea.js'

/** What gaiwan answers instead, by row: the reference resets or closes there. */
const INSTEAD: Record<string, string> = {
  'client stream, reset together with the request': '91',
  'handler sends an item above 16 MiB': '81',
  'handler sends an item that cannot be serialised': '82',
  'refused: unknown variant 99': '91',
  'refused: request cut short by FIN': '91',
  'refused: stream opened and finished with no bytes': '91',
  'refused: stream reset before the request was whole': '91',
  'refused: request claims 16 MiB + 1': '81',
  'refused: length prefix of eleven bytes': '91',
  'tenth prefix byte above 1 wraps to a small number': '91',
}
/** What gaiwan may answer as well: the reset of the client voids the request only if it comes before that was read. */
const OR: Record<string, { readonly answer: string; readonly line: string }> = {
  'client stream, reset together with the request': { answer: '0100', line: 'SetMany 0 RPC_CANCELLED' },
}
/** What the handler has to have seen before the client goes on to the end. */
const BEFORE_END: Record<string, string> = {
  'client stream, reset by the client after one update': 'SetMany has 1',
}
/** What the journal says in the end. */
const JOURNAL: Record<string, string> = {
  'client stream, two updates': 'SetMany 2',
  'client stream, no updates': 'SetMany 0',
  'client stream, reset by the client after one update': 'SetMany 1 RPC_CANCELLED',
  'client stream, abort mark 80 then FIN after one update': 'SetMany 1 RPC_CANCELLED',
  'bidi, abort mark 80 then FIN': 'Sum RPC_CANCELLED',
  'single update, abort mark 80 then FIN': 'Late RPC_CANCELLED',
  'client stream, undecodable update': 'SetMany 0 RPC_DECODE',
  bidi: 'Sum end',
  'bidi, client stops the response half, keeps sending': 'Sum over',
  notify: 'Log hi',
  'notify stream (updates, no response)': 'Push 7,200',
  'handler waits for closed(), client stops the response half': 'closed() resolved',
}

async function ask(connection: Connection): Promise<string> {
  const { send, recv } = await connection.openBi()
  await send.write(unhex('07000568656c6c6f'))
  await send.finish()
  return hex(await recv.readToEnd(100))
}

async function play(row: Row, { send, recv }: BiStream, { journal }: Served): Promise<void> {
  if (row.clientBytes !== '') await send.write(unhex(row.clientBytes))
  if (row.clientStopsResponse === 'stop:0') recv.stop(0)
  const before = BEFORE_END[row.name]
  if (before !== undefined) await journal.until(before)
  if (row.clientEnd === 'fin') await send.finish()
  else if (row.clientEnd.startsWith('reset:')) send.reset(Number(row.clientEnd.slice(6)))
  else if (row.clientEnd !== 'open') throw new Error(`unknown end ${row.clientEnd}`)
}

async function check(t: ExecutionContext<unknown>, row: Row): Promise<void> {
  const served = await serveTea(t, undefined, { headOfLineMs: 50 })
  const connection = await served.dialer.connect(served.server.addr, ALPN)
  const stream = await connection.openBi()
  const blocked = row.name.startsWith('blocked')
  await play(row, stream, served)
  if (!blocked && row.clientStopsResponse !== 'stop:0') {
    const answer = hex(await stream.recv.readToEnd(1_000))
    const or = OR[row.name]
    if (answer === or?.answer) await served.journal.until(or.line)
    else t.is(answer, INSTEAD[row.name] ?? row.serverBytes)
  }
  const line = JOURNAL[row.name]
  if (line !== undefined) await served.journal.until(line)
  if (row.clientEnd === 'open' && !blocked) t.is(await stream.send.stopped, BigInt(refusal(row.name)))
  t.is(await ask(connection), '070105776f726c64', 'the next request')
  t.is(connection.closeInfo, null)
  connection.close()
}

/** The code that stops the request half. */
function refusal(name: string): number {
  const mark = INSTEAD[name]
  return mark === undefined ? 0 : Number.parseInt(mark, 16) & 0x7f
}

const rows = vectors.server.filter(({ clientBytes }) => clientBytes !== undefined)

test('the rows with a scripted client are all here', (t) => {
  t.is(rows.length, 38)
  t.is(vectors.server.length, 40)
  for (const name of Object.keys({ ...INSTEAD, ...OR, ...BEFORE_END, ...JOURNAL }))
    t.true(
      rows.some((row) => row.name === name),
      name,
    )
})

for (const row of rows) test(`server: ${row.name}`, (t) => check(t, row))

test('server: slow consumer: endless 64 KiB items, client never reads', async (t) => {
  let produced = 0
  const served = await serveTea(t, (handlers) => ({
    ...handlers,
    *Misbehave() {
      for (;;) {
        produced++
        yield new Uint8Array(64 * 1024)
      }
    },
  }))
  const connection = await served.dialer.connect(served.server.addr, ALPN)
  const { send } = await connection.openBi()
  await send.write(unhex('020904'))
  await send.finish()
  t.is(await ask(connection), '070105776f726c64')
  // The window is 1.25 MB; the reference stops after 19 items.
  await until(() => produced >= 15)
  // All that is under way when a call is answered has had its turn many calls later.
  for (let n = 0; n < 50; n++) t.is(await ask(connection), '070105776f726c64')
  t.true(produced <= 26, `${produced} items`)
  connection.close()
})

test('server: a slow answer is not lost when a second stream carries unknown variant 99', async (t) => {
  let answer!: () => void
  const served = await serveTea(t, (handlers, journal) => ({
    ...handlers,
    Get: () => {
      journal.add('asked')
      return new Promise<string>((resolve) => {
        answer = () => resolve('world')
      })
    },
  }))
  const connection = await served.dialer.connect(served.server.addr, ALPN)
  const first = ask(connection)
  await served.journal.until('asked')
  const { send, recv } = await connection.openBi()
  await send.write(unhex('0163'))
  await send.finish()
  t.is(hex(await recv.readToEnd(10)), '91')
  answer()
  t.is(await first, '070105776f726c64')
  t.is(connection.closeInfo, null)
  connection.close()
})
