import test from 'ava'
import { Endpoint, SecretKey } from '../../ts/index.js'
import { isPublic, narrow } from '../../ts/endpoint/local.js'
import { settings } from '../../ts/endpoint/options.js'
import { nativeTransport } from '../../ts/endpoint/transport.js'

test('every transport setting is said natively', (t) => {
  const whole = {
    idleTimeoutMs: 1,
    keepAliveMs: 2,
    maxBidiStreams: 3,
    maxUniStreams: 4,
    streamReceiveWindow: 5_000,
    receiveWindow: 6_000,
    sendWindow: 7_000,
    datagramReceiveBuffer: 8,
    datagramSendBuffer: 9,
    initialRttMs: 10,
    initialMtu: 1_300,
    minMtu: 1_200,
    congestion: 'bbr',
    padToMtu: true,
    sendFairness: false,
  } as const
  t.deepEqual(nativeTransport({ ...whole, mtuDiscovery: { upperBound: 1_400 } }, 'transport'), { ...whole, mtuUpperBound: 1_400 })
  t.deepEqual(nativeTransport({ keepAliveMs: null, datagramReceiveBuffer: null, mtuDiscovery: false }, 'transport'), {
    keepAliveMs: 0,
    datagramReceiveBuffer: 0,
    mtuUpperBound: 0,
  })
  t.deepEqual(nativeTransport({ mtuDiscovery: true }, 'transport'), {})
})

test('a transport setting out of range is a RangeError that names it', (t) => {
  const wrong = {
    idleTimeoutMs: 0,
    keepAliveMs: -1,
    maxBidiStreams: -1,
    maxUniStreams: 2 ** 32,
    streamReceiveWindow: 10,
    receiveWindow: 0.5,
    sendWindow: Number.NaN,
    datagramReceiveBuffer: -1,
    datagramSendBuffer: 2 ** 40,
    initialRttMs: 0,
    initialMtu: 1_199,
    minMtu: 70_000,
  }
  for (const [key, value] of Object.entries(wrong)) {
    t.throws(() => nativeTransport({ [key]: value }, 'transport'), {
      instanceOf: RangeError,
      message: new RegExp(`^transport\\.${key}: expected`),
    })
  }
  t.throws(() => nativeTransport({ mtuDiscovery: { upperBound: 1 } }, 'transport'), {
    instanceOf: RangeError,
    message: /^transport\.mtuDiscovery\.upperBound/,
  })
  t.throws(() => nativeTransport({ congestion: 'reno' as never }, 'transport'), {
    instanceOf: TypeError,
    message: /^transport\.congestion/,
  })
  t.throws(() => nativeTransport({ padToMtu: 1 as never }, 'transport'), { instanceOf: TypeError })
  t.throws(() => nativeTransport({ mtuDiscovery: 'yes' as never }, 'transport'), { instanceOf: TypeError })
  t.throws(() => nativeTransport(null as never, 'transport'), { instanceOf: TypeError })
})

test('wrong options of bind reject before anything is bound and name the argument', async (t) => {
  const secret = 'ab'.repeat(31)
  const wrong: Array<[object, string]> = [
    [{ secretKey: secret }, 'secretKey'],
    [{ bind: '127.0.0.1' }, 'bind'],
    [{ bind: [{ address: 'x' }] }, 'bind[0].address'],
    [{ bind: [{ address: '127.0.0.1:0', required: 'no' }] }, 'bind[0].required'],
    [{ alpns: [''] }, 'alpns[0]'],
    [{ alpns: 'a' }, 'alpns'],
    [{ limits: { maxIncoming: 0 } }, 'limits.maxIncoming'],
    [{ limits: { maxConnections: -1 } }, 'limits.maxConnections'],
    [{ limits: { handshakeTimeoutMs: 0 } }, 'limits.handshakeTimeoutMs'],
    [{ limits: { requireRetry: 'sometimes' } }, 'limits.requireRetry'],
    [{ lookup: [{}] }, 'lookup[0]'],
    [{ hooks: [{ beforeConnect: true }] }, 'hooks[0].beforeConnect'],
    [{ publish: { filter: 'none' } }, 'publish.filter'],
    [{ publish: { userData: 'x'.repeat(246) } }, 'publish.userData'],
    [{ externalAddresses: ['host:1'] }, 'externalAddresses[0]'],
    [{ maxTlsTickets: -1 }, 'maxTlsTickets'],
    [{ closeTimeoutMs: -1 }, 'closeTimeoutMs'],
    [{ qlog: 1 }, 'qlog'],
    [{ keylog: 'yes' }, 'keylog'],
  ]
  for (const [options, name] of wrong) {
    const error = await t.throwsAsync(Endpoint.bind(options))
    t.true(error instanceof TypeError || error instanceof RangeError, name)
    t.true(error?.message.startsWith(`${name}: expected`), error?.message)
    t.false(error?.message.includes(secret))
  }
  await t.throwsAsync(Endpoint.bind(null as never), { instanceOf: TypeError })
})

test('defaults of bind', (t) => {
  const { native, filter, userData, handshakeTimeoutMs, maxBidi } = settings({})
  t.deepEqual(native, { bind: [], alpns: [] })
  t.is(filter, 'public')
  t.is(userData, null)
  t.is(handshakeTimeoutMs, 10_000)
  t.is(maxBidi, 100)
})

test('what is public and what a filter leaves', (t) => {
  for (const address of [
    '10.0.0.1:1',
    '100.64.0.1:1',
    '127.0.0.1:1',
    '169.254.1.1:1',
    '172.16.0.1:1',
    '192.168.0.1:1',
    '[::1]:1',
    '[fd00::1]:1',
    '[fe80::1]:1',
  ]) {
    t.false(isPublic(address), address)
  }
  for (const address of ['198.51.100.1:1', '[2001:db8::1]:1', '8.8.8.8:53']) t.true(isPublic(address), address)
  const addr = { id: SecretKey.generate().id, addresses: ['10.0.0.1:1', '8.8.8.8:1'], relayUrl: 'https://r/', relayUrls: ['https://r/'] }
  const relays = { relayUrl: addr.relayUrl, relayUrls: addr.relayUrls }
  t.deepEqual(narrow(addr, 'all'), addr)
  t.deepEqual(narrow(addr, 'relay'), { id: addr.id, ...relays })
  t.deepEqual(narrow(addr, 'ip'), { id: addr.id, addresses: addr.addresses })
  t.deepEqual(narrow(addr, 'public'), { id: addr.id, ...relays, addresses: ['8.8.8.8:1'] })
})
