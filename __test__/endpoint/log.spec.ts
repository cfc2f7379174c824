import test from 'ava'
import { type LogRecord, SecretKey, setLogger, setLogLevel } from '../../ts/index.js'
import { hex } from '../../ts/wire/bytes.js'
import { bind, connectionPair, until } from '../helpers/pair.js'

test.serial('a logger takes records in batches, without secrets and with short ids only', async (t) => {
  const records: LogRecord[] = []
  setLogger({ level: 'trace', fn: (batch) => records.push(...batch) })
  t.teardown(() => setLogger(null))
  const secretKey = SecretKey.generate()
  const { client, dialer } = await connectionPair(t, { secretKey })
  client.close()
  await dialer.close()
  await until(() => records.length > 0)
  for (const { level, target, message, time } of records) {
    t.regex(level, /^(error|warn|info|debug|trace)$/)
    t.is(typeof target, 'string')
    t.true(Math.abs(time.getTime() - Date.now()) < 60_000)
    t.false(message.includes(hex(secretKey.toBytes())))
  }
  t.true(records.some(({ target }) => target.startsWith('gaiwan') || target.startsWith('quinn')))
})

test.serial('a logger that was taken away hears nothing more', async (t) => {
  let heard = 0
  setLogger({
    level: 'trace',
    fn: () => {
      heard++
    },
  })
  await bind(t)
  setLogger(null)
  setLogLevel('off')
  const before = heard
  await (await bind(t)).close()
  t.is(heard, before)
  setLogLevel('warn')
})

test('wrong levels and loggers are told', (t) => {
  t.throws(() => setLogLevel('loud' as never), { instanceOf: TypeError, message: /^level: expected/ })
  t.throws(() => setLogger({ level: 'loud' as never, fn: () => {} }), { instanceOf: TypeError, message: /^logger\.level/ })
  t.throws(() => setLogger({ level: 'warn', fn: 5 as never }), { instanceOf: TypeError, message: /^logger\.fn/ })
  t.throws(() => setLogger(5 as never), { instanceOf: TypeError, message: /^logger: / })
})
