// Whether blobs are still what they say.
import type { WaitOptions } from '../endpoint/index.js'
import { type Hash, text } from '../wire/bytes.js'
import { boolean, list as array, signalOf } from '../wire/check.js'
import { toHash } from './hash.js'
import type { ByteRange } from './info.js'
import { list } from './status.js'
import type { StoreCore } from './store-core.js'

export interface VerifyOptions extends WaitOptions {
  /** [all] */
  readonly hashes?: readonly (Hash | Uint8Array)[]
  readonly repair?: boolean
}
export type VerifyEvent =
  | { readonly type: 'ok'; readonly hash: Hash; readonly size: number }
  | { readonly type: 'bad'; readonly hash: Hash; readonly badRanges: readonly Required<ByteRange>[]; readonly repaired: boolean }
  | { readonly type: 'missing'; readonly hash: Hash; readonly path: string }
  | { readonly type: 'done'; readonly blobs: number; readonly bytes: number; readonly bad: number }

/** What crosses for one blob. */
interface Checked {
  readonly event:
    | Exclude<VerifyEvent, { type: 'bad' | 'done' }>
    | { readonly type: 'bad'; readonly hash: Hash; readonly badRanges: Array<[number, number]>; readonly repaired: boolean }
  /** That were read. */
  readonly bytes: number
}

export function verify(core: StoreCore, options?: VerifyOptions): AsyncIterable<VerifyEvent> {
  const signal = signalOf(options)
  const repair = options?.repair === undefined ? false : boolean(options.repair, 'repair')
  const hashes = options?.hashes && array(options.hashes, 'hashes').map((hash, n) => toHash(hash, `hashes[${n}]`))
  return { [Symbol.asyncIterator]: () => check(core, hashes, repair, signal) }
}

async function* check(
  core: StoreCore,
  hashes: readonly Hash[] | undefined,
  repair: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<VerifyEvent, undefined, undefined> {
  let blobs = 0
  let bytes = 0
  let bad = 0
  for await (const hash of hashes ?? allOf(core)) {
    const checked = await core.call(
      (native, id, store) => native.blobVerify(id, store, hash, repair),
      (_, body) => (body.length === 0 ? null : (JSON.parse(text(body)) as Checked)),
      signal,
    )
    // Not here, or gone since it was listed.
    if (checked === null) continue
    const { event } = checked
    blobs++
    bytes += checked.bytes
    if (event.type !== 'ok') bad++
    yield event.type === 'bad' ? { ...event, badRanges: event.badRanges.map(([start, end]) => ({ start, end })) } : event
  }
  yield { type: 'done', blobs, bytes, bad }
}

async function* allOf(core: StoreCore): AsyncGenerator<Hash> {
  for await (const { hash } of list(core)) yield hash
}
