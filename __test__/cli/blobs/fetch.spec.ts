import test, { type ExecutionContext } from 'ava'
import { BlobStore, type CollectionEntry, type DownloadProgress, type DownloadResult } from '../../../ts/blobs/index.js'
import { type FetchOptions, fetchAll, fetchNames } from '../../../ts/cli/blobs/fetch.js'
import type { Transfer } from '../../../ts/cli/blobs/kit.js'
import { Meter } from '../../../ts/cli/blobs/meter.js'
import { GaiwanError } from '../../../ts/index.js'
import { ScriptedDownload } from './script.js'

const HASH = 'ab'.repeat(32)
const PEER = '1'.repeat(64)
const TICKET = { addr: { id: PEER }, hash: HASH, format: 'hashSeq' } as const
const RESULT = { hash: HASH, size: 64, format: 'hashSeq', localBytes: 0, stats: { payloadBytesRead: 10 } } as unknown as DownloadResult
const connected: DownloadProgress = { type: 'connected', provider: PEER }
const progress = (bytes: number): DownloadProgress => ({ type: 'progress', bytes, totalBytes: 100 })
const lost = new GaiwanError('CONNECTION_LOST', 'the connection is lost')

/** A fetch whose tries go as told: events, then an error or success. */
async function fetch(tries: ReadonlyArray<readonly [...DownloadProgress[], Error | 'done']>, options: Partial<FetchOptions> = {}) {
  const said: Array<Record<string, unknown>> = []
  const pauses: number[] = []
  let n = 0
  const blobs = {
    local: async () => ({ isComplete: false, localBytes: 0, missing: [HASH, 'cc'] }),
    download: () =>
      new ScriptedDownload(async (download) => {
        const script = tries[n++]!
        for (const step of script) {
          if (step instanceof Error) throw step
          if (step !== 'done') download.say(step)
        }
        return RESULT
      }, options.signal),
  }
  const keep = (fields: object) => void said.push({ ...fields })
  const meter = new Meter({ json: true, draws: false, progress: () => {}, say: () => {}, report: keep, clear: () => {} })
  const result = fetchAll(blobs, TICKET, {
    signal: new AbortController().signal,
    output: { note: keep, tell: keep },
    meter,
    retries: 3,
    entries: null,
    pauseMs: (n) => {
      pauses.push(n)
      return 0
    },
    ...options,
  })
  const outcome = await result.then(
    () => null,
    (error: unknown) => error,
  )
  return { outcome, said, pauses, tries: n, meter }
}

test('a lost connection is tried again, and goes on where it was', async (t) => {
  const { outcome, said, pauses, tries, meter } = await fetch([
    [connected, progress(40), lost],
    [connected, progress(70), lost],
    [connected, progress(100), 'done'],
  ])
  t.is(outcome, null)
  t.is(tries, 3)
  // Each brought something, so neither is a second failure in a row.
  t.deepEqual(pauses, [1, 1])
  t.deepEqual(
    said.filter(({ event }) => event === 'retry').map(({ code }) => code),
    ['CONNECTION_LOST', 'CONNECTION_LOST'],
  )
  t.is(meter.bytes, 100)
})

test('tries that bring nothing are counted, with longer and longer pauses', async (t) => {
  const { outcome, pauses, tries } = await fetch([[connected, progress(40), lost], [lost], [lost], [lost], [lost]])
  t.is(outcome, lost)
  t.is(tries, 4)
  t.deepEqual(pauses, [1, 2, 3])
})

test('a peer that was never there is not tried again', async (t) => {
  const { outcome, tries } = await fetch([[{ type: 'connecting', provider: PEER }, lost]])
  t.is(outcome, lost)
  t.is(tries, 1)
})

test('what the peer says for certain is not tried again', async (t) => {
  for (const error of [
    new GaiwanError('HASH_MISMATCH', 'x'),
    new GaiwanError('PROVIDER_REFUSED', 'x'),
    new GaiwanError('PROVIDER_FAILED', 'x'),
    new GaiwanError('STORE_FULL', 'x'),
    new TypeError('x'),
    new GaiwanError('NO_PROVIDER', 'x', { cause: new AggregateError([new GaiwanError('BLOB_NOT_FOUND', 'x')]) }),
  ]) {
    const { outcome, tries } = await fetch([[connected, progress(1), error]])
    t.is(outcome, error)
    t.is(tries, 1)
  }
})

test('no provider left is tried again when one of them was only lost', async (t) => {
  const error = new GaiwanError('NO_PROVIDER', 'x', { cause: new AggregateError([new GaiwanError('BLOB_NOT_FOUND', 'x'), lost]) })
  const { outcome, tries } = await fetch([[connected, error], ['done']])
  t.is(outcome, null)
  t.is(tries, 2)
})

test('an interruption ends it with its reason, also while it waits for the next try', async (t) => {
  const reason = new Error('enough')
  t.is((await fetch([['done']], { signal: AbortSignal.abort(reason) })).outcome, reason)
  const controller = new AbortController()
  const { outcome, tries } = await fetch([[connected, progress(1), lost], ['done']], {
    signal: controller.signal,
    pauseMs: () => {
      setImmediate(() => controller.abort(reason))
      return 60_000
    },
  })
  t.is(outcome, reason)
  t.is(tries, 1)
})

test('files are counted: those that are here, and those that come', async (t) => {
  const entries: CollectionEntry[] = ['aa', 'bb', 'cc'].map((hash) => ({ name: hash, hash, size: 1 }))
  const { said } = await fetch(
    [
      [
        connected,
        progress(40),
        { type: 'blobDone', index: 0, hash: HASH },
        { type: 'blobDone', index: 4, hash: 'cc' },
        progress(100),
        'done',
      ],
    ],
    {
      entries,
    },
  )
  t.like(said.at(-1), { event: 'progress', bytes: 100, files: 3, totalFiles: 3 })
})

test('what a provider failed with is told', async (t) => {
  const { said } = await fetch([[{ type: 'providerFailed', provider: PEER, error: lost }, 'done']])
  t.deepEqual(said[0], { event: 'providerFailed', provider: PEER, code: 'CONNECTION_LOST', message: 'the connection is lost' })
})

async function sizeOf(store: BlobStore, hash: string): Promise<number> {
  const status = await store.status(hash)
  if (status.state !== 'complete') throw new Error(`${hash} is ${status.state}`)
  return status.size
}

/** What `fetchNames` makes of a root and of how the fetch of its names ends. */
async function names(t: ExecutionContext, root: string | null, ending: Error | null) {
  const store = BlobStore.memory()
  t.teardown(() => store.close())
  const { hash } = await store.createCollection([{ name: 'a', hash: (await store.add('tea')).hash }])
  const asked = root === null ? hash : (await store.add(root)).hash
  let n = 0
  const blobs = {
    download: () =>
      new ScriptedDownload(async () => {
        if (n++ === 1 && ending !== null) throw ending
        return { ...RESULT, size: await sizeOf(store, asked) }
      }),
  }
  return await fetchNames(blobs as unknown as Transfer, store, { ...TICKET, hash: asked }, new AbortController().signal)
}

test('names are told before the rest is fetched, or later by a provider that does not give them alone', async (t) => {
  t.like((await names(t, null, null))![0], { name: 'a', size: 3 })
  t.is(await names(t, null, new GaiwanError('PROVIDER_REFUSED', 'x')), null)
  t.is(await names(t, null, new GaiwanError('NO_PROVIDER', 'x')), null)
})

test('what is no collection is told at once', async (t) => {
  for (const root of ['', 'x', 'x'.repeat(33)]) await t.throwsAsync(names(t, root, null), { code: 'COLLECTION_INVALID' })
  await t.throwsAsync(names(t, null, new GaiwanError('BLOB_TOO_LARGE', 'x')), { code: 'BLOB_TOO_LARGE' })
  await t.throwsAsync(names(t, null, new GaiwanError('HASH_MISMATCH', 'x')), { code: 'HASH_MISMATCH' })
  const reason = new Error('enough')
  t.is(await t.throwsAsync(names(t, null, reason)), reason)
})
