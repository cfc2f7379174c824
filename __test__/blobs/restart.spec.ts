// Providers that go away in the middle of a download, and come back.
import test, { type ExecutionContext } from 'ava'
import { ALPN, Blobs, type BlobsOptions, type BlobStore, type DownloadProgress } from '../../ts/blobs/index.js'
import { GaiwanError, Router, SecretKey } from '../../ts/index.js'
import { bind } from '../helpers/pair.js'
import { same } from '../helpers/store.js'
import { getter, memory, pattern251, provider } from './network.js'

/** Sixteen seconds of sending: what is to happen in the middle does so on a busy machine too. */
const SIZE = 32_000_000
const SLOW: BlobsOptions = { limits: { maxUploadRate: 2_000_000 } }
/** An address that no other test binds: the port stays free until the provider is back. */
const OWN = '127.0.0.2:0'

/** Serves a store under an identity, at an address. */
async function serve(t: ExecutionContext, secretKey: SecretKey, store: BlobStore, options: BlobsOptions, address: string) {
  const endpoint = await bind(t, { secretKey, bind: address })
  const blobs = new Blobs(endpoint, store, options)
  const router = Router.builder(endpoint).accept(ALPN, blobs).spawn()
  t.teardown(() => router.shutdown())
  return { endpoint, blobs, router }
}

for (const [how, split] of [
  ['of one provider', false],
  ['that is split', true],
] as const) {
  test(`a download ${how} survives a provider that is started again: it goes on by itself`, async (t) => {
    const [secretKey, store, to] = [SecretKey.generate(), memory(t), await getter(t)]
    const { hash } = await store.add(pattern251(SIZE))
    const first = await serve(t, secretKey, store, SLOW, OWN)
    const { addr } = first.endpoint
    const download = to.blobs.download({ hash, providers: [addr] }, { split })
    const events: DownloadProgress[] = []
    let before = 0
    for await (const event of download) {
      events.push(event)
      if (before === 0 && event.type === 'progress' && event.bytes > 0) {
        before = event.bytes
        await first.router.shutdown()
        await serve(t, secretKey, store, {}, addr.addresses![0]!)
      }
    }
    t.true(before < SIZE)
    t.is((await download).stats.payloadBytesRead, SIZE, 'nothing came twice')
    t.is(events.filter(({ type }) => type === 'connected').length, 2)
    t.false(events.some(({ type }) => type === 'providerFailed'))
    t.true(same(await to.store.get(hash), pattern251(SIZE)))
  })
}

test('a provider that serves no more closes its connections; one that stays away is given up', async (t) => {
  const [from, to] = [await provider(t, SLOW), await getter(t)]
  const { hash } = await from.store.add(pattern251(SIZE))
  const download = to.blobs.download(from.blobs.ticket(hash))
  const error = await t.throwsAsync(async () => {
    for await (const event of download) if (event.type === 'progress' && event.bytes > 0) await from.blobs.shutdown()
  })
  t.true(GaiwanError.is(error, 'CONNECTION_CLOSED'), String(error))
  t.is((await to.store.status(hash)).state, 'partial')
})
