import { inspect } from 'node:util'
import test from 'ava'
import { Endpoint, GaiwanError, type LogRecord, SecretKey, setLogger } from '../../ts/index.js'
import { hex } from '../../ts/wire/bytes.js'
import { ALPN, connectionPair, LOOPBACK } from '../helpers/pair.js'

test('no secret is in what an endpoint shows, throws or logs', async (t) => {
  const records: LogRecord[] = []
  setLogger({ level: 'trace', fn: (batch) => records.push(...batch) })
  const key = SecretKey.generate()
  const secret = hex(key.toBytes())
  const shown: string[] = []
  const show = (value: unknown) => {
    shown.push(inspect(value, { depth: 10, showHidden: true, getters: true }), String(value))
    try {
      shown.push(JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}` : one)) ?? '')
    } catch (error) {
      shown.push(String(error))
    }
  }
  const pair = await connectionPair(t, { secretKey: secret }, { secretKey: key.toBytes().fill(7) })
  show(pair)
  show(pair.dialer.secretKey)
  show(pair.dialer.addr)
  show(pair.dialer.metrics('prometheus'))
  const failures = [
    Endpoint.bind({ bind: pair.acceptor.boundAddresses[0]!, secretKey: secret }),
    Endpoint.bind({ bind: LOOPBACK, secretKey: `${secret}00` }),
    Endpoint.bind({ bind: LOOPBACK, secretKey: secret.toUpperCase() }),
    pair.dialer.connect(secret.slice(0, 63), ALPN),
    pair.dialer.connect(pair.acceptor.addr, 'other', { timeoutMs: 300 }),
    pair.client.request(5 as never),
  ]
  for (const failure of failures) {
    const error = await t.throwsAsync(failure as Promise<never>)
    show(error)
    if (GaiwanError.is(error)) show(error.cause)
  }
  await pair.dialer.close()
  setLogger(null)
  show(records)
  for (const text of shown) {
    t.false(text.toLowerCase().includes(secret.slice(0, 40)), text.slice(0, 200))
    t.false(text.includes('07'.repeat(20)))
  }
  t.true(shown.length > 20)
})
