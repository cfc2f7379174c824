// The state machine of a call, without a network.
import test from 'ava'
import { FIN, Incoming, MALFORMED, MARK, Outgoing, TOO_LONG, TRUNCATED } from '../../ts/rpc/call.js'
import { codeOf, unhex } from './tea.js'

test('the end of one, many and no answers means what it should', (t) => {
  for (const [kind, values, how, code] of [
    ['one', 0, FIN, 'RPC_NO_RESPONSE'],
    ['one', 1, FIN, undefined],
    ['many', 0, FIN, undefined],
    ['many', 5, FIN, undefined],
    ['none', 0, FIN, undefined],
    ['many', 2, MARK - 16, 'RPC_HANDLER_FAILED'],
    ['one', 0, MARK - 0, 'RPC_CANCELLED'],
    ['one', 0, MARK - 1, 'RPC_TOO_LARGE'],
    ['one', 0, MARK - 2, 'RPC_ENCODE'],
    ['one', 0, MARK - 17, 'RPC_UNRECOGNISED'],
    ['one', 0, MARK - 18, 'RPC_BUSY'],
    ['one', 0, MARK - 19, 'RPC_DEADLINE'],
    ['one', 0, MARK - 20, 'RPC_SHUTTING_DOWN'],
    ['one', 0, MARK - 99, 'RPC_TRUNCATED'],
    ['many', 1, TRUNCATED, 'RPC_TRUNCATED'],
    ['many', 1, MALFORMED, 'RPC_DECODE'],
    ['many', 1, TOO_LONG, 'RPC_TOO_LARGE'],
  ] as const) {
    const half = new Incoming(kind, 'Get', 'answers')
    for (let n = 0; n < values; n++) t.is(half.value(), null)
    t.is(codeOf(half.end(how) ?? undefined), code, `${kind} ${values} ${how}`)
    t.true(half.over)
  }
})

test('a missing update is a torn half, not a missing answer', (t) => {
  t.is(codeOf(new Incoming('one', 'Late', 'updates').end(FIN)), 'RPC_TRUNCATED')
})

test('a second value of one, and any of none, is refused', (t) => {
  const one = new Incoming('one', 'Get', 'answers')
  t.is(one.value(), null)
  t.is(codeOf(one.value()), 'RPC_DECODE')
  t.is(codeOf(new Incoming('none', 'Log', 'answers').value()), 'RPC_DECODE')
})

test('the only answer is cut out of all bytes of its half', (t) => {
  const only = (bytes: string) => new Incoming('one', 'Get', 'answers').only(unhex(bytes))
  t.deepEqual(only('070105776f726c64'), { start: 1, end: 8 })
  t.deepEqual(only('00'), { start: 1, end: 1 })
  t.deepEqual(only('8780000105776f726c64'), { start: 3, end: 10 })
  for (const [bytes, code] of [
    ['', 'RPC_NO_RESPONSE'],
    ['90', 'RPC_HANDLER_FAILED'],
    ['ff', 'RPC_TRUNCATED'],
    ['8080', 'RPC_TRUNCATED'],
    ['0701', 'RPC_TRUNCATED'],
    ['0000', 'RPC_DECODE'],
    ['80808080808080808080', 'RPC_DECODE'],
    ['80808080808080808002', 'RPC_DECODE'],
  ] as const) {
    t.is(codeOf(only(bytes)), code, bytes)
  }
})

test('an outgoing half ends once', (t) => {
  for (const [first, then] of [
    ['finish', 'abort'],
    ['abort', 'finish'],
    ['stop', 'finish'],
    ['stop', 'abort'],
  ] as const) {
    const half = new Outgoing()
    t.true(half.open)
    t.true(half[first]())
    t.false(half[then]())
    t.false(half.open)
  }
})
