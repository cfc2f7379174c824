import { runInNewContext } from 'node:vm'
import test from 'ava'
import * as check from '../../ts/wire/check.js'

test('bytes come as Uint8Array, also of another realm, or as text', (t) => {
  t.deepEqual(check.toBytes('té', 'body'), new TextEncoder().encode('té'))
  const own = Uint8Array.of(1)
  t.is(check.toBytes(own, 'body'), own)
  t.deepEqual([...check.toBytes(Buffer.from('x'), 'body')], [120])
  t.is(check.toBytes(runInNewContext('new Uint8Array([5])'), 'body')[0], 5)
  for (const wrong of [[1, 2], null, undefined, 5, new Uint16Array(1), new ArrayBuffer(1), {}]) {
    t.throws(() => check.toBytes(wrong as never, 'body'), { instanceOf: TypeError, message: 'body: expected a Uint8Array or a string' })
  }
})

test('whole numbers have a range that the message names', (t) => {
  t.is(check.integer(5, 'n', 1, 5), 5)
  for (const wrong of [0, 6, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => check.integer(wrong, 'n', 1, 5), { instanceOf: RangeError, message: 'n: expected a whole number from 1 to 5' })
  }
  for (const wrong of ['1', null, undefined, 1n]) t.throws(() => check.integer(wrong, 'n', 1, 5), { instanceOf: TypeError })
})

test('numbers may have a fraction where integers may not', (t) => {
  t.is(check.number(0.5, 'ms', 0, 1), 0.5)
  t.throws(() => check.number(Number.NaN, 'ms', 0, 1), { instanceOf: RangeError })
  t.throws(() => check.number('1', 'ms', 0, 1), { instanceOf: TypeError })
})

test('codes are bigint or whole numbers up to 2^62 - 1', (t) => {
  t.is(check.code(0, 'code'), 0n)
  t.is(check.code(2 ** 53 - 1, 'code'), 9007199254740991n)
  t.is(check.code((1n << 62n) - 1n, 'code'), (1n << 62n) - 1n)
  for (const wrong of [-1, 0.1, 2 ** 53, -1n, 1n << 62n, Number.NaN]) t.throws(() => check.code(wrong, 'code'), { instanceOf: RangeError })
  for (const wrong of ['1', null, undefined])
    t.throws(() => check.code(wrong as never, 'code'), { instanceOf: TypeError, message: /^code: / })
})

test('an ALPN has 1 to 255 bytes and is copied', (t) => {
  const own = Uint8Array.of(1, 2)
  const taken = check.alpn(own)
  own[0] = 9
  t.deepEqual([...taken], [1, 2])
  t.is(check.alpn('x'.repeat(255)).length, 255)
  t.throws(() => check.alpn(''), { instanceOf: RangeError, message: 'alpn: expected 1 to 255 bytes' })
  t.throws(() => check.alpn('x'.repeat(256)), { instanceOf: RangeError })
  t.throws(() => check.alpns(['a', 'b', 'a']), { instanceOf: TypeError, message: 'alpns[2]: expected each ALPN once' })
  t.throws(() => check.alpns('ab' as never), { instanceOf: TypeError, message: 'alpns: expected an array' })
})

test('a signal is taken from options, and a wrong one is named', (t) => {
  t.is(check.signalOf(undefined), undefined)
  t.is(check.signalOf({}), undefined)
  const { signal } = new AbortController()
  t.is(check.signalOf({ signal }), signal)
  for (const wrong of [{ signal: {} }, { signal: null }, { signal: 5 }]) {
    t.throws(() => check.signalOf(wrong as never), { instanceOf: TypeError, message: 'signal: expected an AbortSignal' })
  }
  t.throws(() => check.signalOf(null as never), { instanceOf: TypeError, message: 'options: expected an object' })
})

test('one of a few texts, booleans, functions, lists, short texts', (t) => {
  t.is(check.oneOf('a', 'x', ['a', 'b']), 'a')
  t.throws(() => check.oneOf('c', 'x', ['a', 'b']), { instanceOf: TypeError, message: "x: expected 'a', 'b'" })
  t.throws(() => check.boolean(1, 'x'), { instanceOf: TypeError })
  t.throws(() => check.func({} as never, 'x'), { instanceOf: TypeError })
  t.throws(() => check.list({} as never, 'x'), { instanceOf: TypeError })
  t.throws(() => check.string(1, 'x'), { instanceOf: TypeError })
  t.is(check.shortText('é', 'x', 2), 'é')
  t.throws(() => check.shortText('é', 'x', 1), { instanceOf: RangeError, message: 'x: expected at most 1 bytes' })
  t.throws(() => check.options(5 as never, 'limits'), { instanceOf: TypeError, message: 'limits: expected an object' })
})
