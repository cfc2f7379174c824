import test from 'ava'
import { type AddressLookup, type EndpointInfo, filtered, GaiwanError, type LookupResult, MemoryLookup, SecretKey } from '../../ts/index.js'
import { ALPN, acceptOne, bind, endpointPair } from '../helpers/pair.js'

const code = (code: string) => ({ instanceOf: GaiwanError, code }) as const
const broken: AddressLookup = {
  // biome-ignore lint/correctness/useYield: it fails before it has a result
  async *resolve() {
    throw new Error('broken')
  },
}
const silent: AddressLookup = { resolve: async function* () {} }
const { signal } = new AbortController()

async function all(results: AsyncIterable<LookupResult>): Promise<LookupResult[]> {
  const list: LookupResult[] = []
  for await (const result of results) list.push(result)
  return list
}

test('a memory lookup adds, replaces, tells and forgets', async (t) => {
  const book = new MemoryLookup('book')
  const { id } = SecretKey.generate()
  t.is(book.get(id), null)
  book.add({ id, addresses: ['192.0.2.2:1'] })
  book.add({ id, addresses: ['192.0.2.1:1'], relayUrl: 'https://r.example' })
  const both = { id, addresses: ['192.0.2.1:1', '192.0.2.2:1'], relayUrl: 'https://r.example/', relayUrls: ['https://r.example/'] }
  t.deepEqual(book.get(id), both)
  t.deepEqual(await all(book.resolve(id, { signal })), [{ addr: both, source: 'book' }])
  book.set({ id, addresses: ['192.0.2.3:1'] })
  t.deepEqual(book.get(id), { id, addresses: ['192.0.2.3:1'] })
  book.remove(id)
  t.deepEqual(await all(book.resolve(id, { signal })), [])
  t.throws(() => book.add({ id: 'x' }), { instanceOf: TypeError, message: /^addr\.id/ })
  t.throws(() => book.get('x'), { instanceOf: TypeError, message: /^id: / })
})

test('filtered shows what is kept', async (t) => {
  const book = new MemoryLookup()
  const { id } = SecretKey.generate()
  book.add({ id, addresses: ['192.0.2.1:1', '192.0.2.2:1'] })
  const one = filtered(book, (addr) => ({ ...addr, addresses: addr.addresses!.slice(0, 1) }))
  t.deepEqual((await all(one.resolve(id, { signal })))[0]!.addr.addresses, ['192.0.2.1:1'])
  t.deepEqual(await all(filtered(book, () => null).resolve(id, { signal })), [])
  const told: EndpointInfo[] = []
  let closed = 0
  const whole = filtered({ ...silent, publish: (info) => told.push(info), close: () => closed++ }, (addr) => addr)
  whole.publish?.({ addr: { id } })
  whole.close?.()
  t.deepEqual([told.length, closed], [1, 1])
  t.is(filtered(silent, (addr) => addr).publish, undefined)
  t.throws(() => filtered({} as never, () => null), { instanceOf: TypeError, message: /^lookup: / })
})

test('an id is dialed with what lookups find, although others fail', async (t) => {
  const book = new MemoryLookup()
  const { dialer, acceptor } = await endpointPair(t, { lookup: [broken, silent, book] })
  await t.throwsAsync(dialer.connect(acceptor.id, ALPN), code('NO_ADDRESS'))
  book.add(acceptor.addr)
  for (const to of [acceptor.id, Buffer.from(acceptor.id, 'hex')]) {
    const [client] = await Promise.all([dialer.connect(to, ALPN), acceptOne(acceptor)])
    t.is(client.remoteId, acceptor.id)
  }
  const metrics = dialer.metrics()
  t.is(metrics['address_lookup_lookups'], 3)
  t.is(metrics['address_lookup_services'], 3)
})

test('when every lookup fails it is LOOKUP_FAILED with all causes', async (t) => {
  const { dialer, acceptor } = await endpointPair(t, { lookup: [broken, broken] })
  const error = await t.throwsAsync(dialer.connect(acceptor.id, ALPN), code('LOOKUP_FAILED'))
  t.true(error?.cause instanceof AggregateError)
  t.deepEqual(
    (error!.cause as AggregateError).errors.map((one: Error) => one.message),
    ['broken', 'broken'],
  )
  await t.throwsAsync(all(dialer.resolve(acceptor.id)), code('LOOKUP_FAILED'))
  t.is(dialer.metrics()['address_lookup_lookups_failed'], 2)
})

test('an address that leads nowhere is followed by the next that a lookup finds', async (t) => {
  const { dialer, acceptor } = await endpointPair(t)
  const dead = await bind(t)
  let go: () => void = () => {}
  const late = new Promise<void>((resolve) => {
    go = resolve
  })
  dialer.lookups.add({
    async *resolve(id) {
      yield { addr: { id, addresses: dead.addr.addresses! }, source: 'old' }
      await late
      yield { addr: { id, addresses: acceptor.addr.addresses! }, source: 'new' }
    },
  })
  const dial = dialer.connect(acceptor.id, ALPN, { timeoutMs: 60_000 })
  setImmediate(go)
  await acceptOne(acceptor)
  t.is((await dial).remoteId, acceptor.id)
})

test('a dial that waits for a lookup ends by its signal and by the close', async (t) => {
  let aborted = 0
  const hanging: AddressLookup = {
    async *resolve(_, { signal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      aborted++
    },
  }
  const { dialer, acceptor } = await endpointPair(t, { lookup: [hanging] })
  const abort = new AbortController()
  const reason = new Error('enough')
  const dial = dialer.connect(acceptor.id, ALPN, { signal: abort.signal })
  setImmediate(() => abort.abort(reason))
  t.is(await t.throwsAsync(dial), reason)
  const other = t.throwsAsync(dialer.connect(acceptor.id, ALPN), code('ENDPOINT_CLOSED'))
  setImmediate(() => dialer.close())
  await other
  await dialer.close()
  t.is(aborted, 2)
})

test('results stream in as they come, those about others and broken ones are left out', async (t) => {
  const { id } = SecretKey.generate()
  const other = SecretKey.generate().id
  const mixed: AddressLookup = {
    async *resolve() {
      yield { addr: { id: other, addresses: ['192.0.2.1:1'] }, source: 'mixed' }
      yield { addr: { id, addresses: ['nowhere'] }, source: 'mixed' }
      yield { addr: { id, addresses: ['192.0.2.2:1'] }, source: 'mixed', userData: 'tea' }
    },
  }
  const endpoint = await bind(t, { lookup: [broken, mixed] })
  t.deepEqual(await all(endpoint.resolve(id)), [{ addr: { id, addresses: ['192.0.2.2:1'] }, source: 'mixed', userData: 'tea' }])
  endpoint.lookups.clear()
  t.deepEqual(await all(endpoint.resolve(id)), [])
  await t.throwsAsync(all(endpoint.resolve(id, { signal: AbortSignal.abort(new Error('no')) })), { message: 'no' })
  t.throws(() => endpoint.resolve('x'), { instanceOf: TypeError, message: /^id: / })
  t.throws(() => endpoint.lookups.add(5 as never), { instanceOf: TypeError, message: /^lookup: / })
})

test('lookups hear our address through the filter, and each change of it', async (t) => {
  const told: EndpointInfo[] = []
  let closed = 0
  const service: AddressLookup = { ...silent, publish: (info) => told.push(info), close: () => closed++ }
  const endpoint = await bind(t, { lookup: [service], publish: { userData: 'tea' }, externalAddresses: ['198.51.100.1:1'] })
  const { id } = endpoint
  // By default what others can reach from everywhere.
  t.deepEqual(told.splice(0), [{ addr: { id, addresses: ['198.51.100.1:1'] }, userData: 'tea' }])
  endpoint.setUserData(null)
  t.deepEqual(told.splice(0), [{ addr: { id, addresses: ['198.51.100.1:1'] } }])
  endpoint.removeExternalAddress('198.51.100.1:1')
  t.deepEqual(told.splice(0), [{ addr: { id } }])
  const late: EndpointInfo[] = []
  endpoint.lookups.add({ ...silent, publish: (info) => late.push(info) })
  t.deepEqual(late, [{ addr: { id } }])
  await endpoint.networkChanged()
  t.is(told.length, 1)
  t.throws(() => endpoint.setUserData('x'.repeat(246)), { instanceOf: RangeError, message: /^text: / })
  await endpoint.close()
  t.is(closed, 1)
})

test('a filter of the user decides what is published, but not for whom', async (t) => {
  const told: EndpointInfo[] = []
  const filter = () => ({ id: SecretKey.generate().id, addresses: ['192.0.2.9:9'] })
  const endpoint = await bind(t, { lookup: [{ ...silent, publish: (info) => told.push(info) }], publish: { filter } })
  t.deepEqual(told, [{ addr: { id: endpoint.id, addresses: ['192.0.2.9:9'] } }])
})
