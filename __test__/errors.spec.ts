import { inspect } from 'node:util'
import test from 'ava'
import { applicationCodeOf, codedRangeError, endedEarly, fromNative, fromThrown } from '../ts/errors.js'
import { GaiwanError } from '../ts/index.js'

test('an error has its code, its options and no other own fields', (t) => {
  const cause = new Error('below')
  const error = new GaiwanError('STREAM_RESET', 'reset', { cause, applicationCode: 7, reason: 'tea' })
  t.is(error.code, 'STREAM_RESET')
  t.is(error.applicationCode, 7n)
  t.is(error.reason, 'tea')
  t.is(error.cause, cause)
  t.is(error.name, 'GaiwanError')
  t.deepEqual(Object.keys(new GaiwanError('TIMEOUT', 'late')), ['code'])
  t.regex(inspect(error), /GaiwanError: reset/)
})

test('application codes go from 0 to 2^62 - 1', (t) => {
  t.is(new GaiwanError('STREAM_RESET', '', { applicationCode: (1n << 62n) - 1n }).applicationCode, (1n << 62n) - 1n)
  for (const applicationCode of [-1, 0.5, 1n << 62n, Number.NaN]) {
    t.throws(() => new GaiwanError('STREAM_RESET', '', { applicationCode }), { instanceOf: RangeError, message: /^applicationCode: / })
  }
})

test('is() narrows by code and knows errors of another copy of the module', async (t) => {
  const error = new GaiwanError('ALPN_MISMATCH', '')
  t.true(GaiwanError.is(error))
  t.true(GaiwanError.is(error, 'TIMEOUT', 'ALPN_MISMATCH'))
  t.false(GaiwanError.is(error, 'TIMEOUT'))
  for (const other of [null, undefined, 'ALPN_MISMATCH', new Error('x'), { code: 'ALPN_MISMATCH' }]) t.false(GaiwanError.is(other))
  const specifier = '../ts/errors.js?copy'
  const copy = (await import(specifier)) as { GaiwanError: typeof GaiwanError }
  t.not(copy.GaiwanError, GaiwanError)
  t.true(GaiwanError.is(new copy.GaiwanError('TIMEOUT', ''), 'TIMEOUT'))
})

test('a failure of the native core becomes an error with all it says', (t) => {
  const error = fromNative(
    JSON.stringify({
      code: 'CONNECTION_LOST',
      message: 'lost',
      applicationCode: '4611686018427387903',
      reason: 'r',
      by: 'timeout',
      alert: 48,
      bytesRead: 3,
    }),
  )
  t.is(error.code, 'CONNECTION_LOST')
  t.is(error.message, 'lost')
  t.is(error.applicationCode, 4611686018427387903n)
  t.is(error.reason, 'r')
  t.is(error.by, 'timeout')
  t.is(error.alert, 48)
  t.is(error.bytesRead, 3)
})

test('what is no failure of the native core is INTERNAL with its text', (t) => {
  for (const text of ['a plain message', '{ no json', '{"message":"no code"}']) {
    const error = fromThrown(new Error(text))
    t.is(error.code, 'INTERNAL')
    t.is(error.message, text)
  }
  const error = new GaiwanError('TIMEOUT', '')
  t.is(fromThrown(error), error)
})

test('a peer gets the application code of what a handler threw, else 0', (t) => {
  t.is(applicationCodeOf(new GaiwanError('PROTOCOL_VIOLATION', '', { applicationCode: 9 })), 9n)
  t.is(applicationCodeOf(new GaiwanError('PROTOCOL_VIOLATION', '')), 0n)
  t.is(applicationCodeOf(new Error('x')), 0n)
  t.is(applicationCodeOf(undefined), 0n)
})

test('STREAM_ENDED_EARLY counts', (t) => {
  t.is(endedEarly(10, 4).bytesRead, 4)
  t.is(endedEarly(10, 0).bytesRead, 0)
})

test('a RangeError with a code is an error of ours too, and of no subclass', (t) => {
  class Other extends GaiwanError {}
  const error = codedRangeError('RPC_ENCODE', '256 is not a u8')
  t.true(error instanceof RangeError)
  t.true(error instanceof GaiwanError)
  t.true(GaiwanError.is(error, 'RPC_ENCODE'))
  t.deepEqual(Object.keys(error), ['code'])
  t.false(error instanceof Other)
  t.false(new GaiwanError('TIMEOUT', '') instanceof Other)
  t.true(new Other('TIMEOUT', '') instanceof Other)
  t.true(new Other('TIMEOUT', '') instanceof GaiwanError)
  for (const other of [null, undefined, 5, 'TIMEOUT', new Error(''), new RangeError(''), { code: 'TIMEOUT' }])
    t.false((other as unknown) instanceof GaiwanError)
})
