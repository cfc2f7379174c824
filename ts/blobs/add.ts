// Bytes and files from here, into the store.
import { resolve } from 'node:path'
import { text } from '../wire/bytes.js'
import { string } from '../wire/check.js'
import type { BlobInfo } from './info.js'
import { type AddFileOptions, type AddOptions, adding, attention, formatOf, isReference } from './options.js'
import { attend } from './progress.js'
import { type Addable, leave, sourceOf } from './source.js'
import type { StoreCore } from './store-core.js'
import { PIECE_BYTES, upload } from './upload.js'

/** More in memory than this is not copied at once. */
const AT_ONCE_BYTES = 8 * PIECE_BYTES

/** Where something is added: a store, and the batch that holds it, 0 for none. */
export interface Target {
  readonly core: StoreCore
  readonly batch: number
}

type Answer = Omit<BlobInfo, 'format'>

export async function add({ core, batch }: Target, data: Addable, options?: AddOptions): Promise<BlobInfo> {
  const watch = attention(options)
  const format = formatOf(options?.format)
  const wish = adding(options, batch, format)
  const source = sourceOf(data, 'data')
  if ('bytes' in source && source.bytes.length <= AT_ONCE_BYTES) {
    const { bytes } = source
    const added = await attend(core, watch, ({ signal, sub }) =>
      core.call((native, id, store) => native.importBytes(id, store, bytes, { ...wish, progress: sub }), answer, signal),
    )
    return { ...added, format }
  }
  const pieces = 'bytes' in source ? inPieces(source.bytes) : source.pieces
  const totalBytes = 'bytes' in source ? source.bytes.length : source.totalBytes
  try {
    const added = await attend(core, watch, (attended) => upload(core, pieces, totalBytes, { ...wish, progress: attended.sub }, attended))
    return { ...added, format }
  } catch (error) {
    leave(pieces)
    throw error
  }
}

export async function addFile({ core, batch }: Target, path: string, options?: AddFileOptions): Promise<BlobInfo> {
  const file = resolve(string(path, 'path'))
  const watch = attention(options)
  const format = formatOf(options?.format)
  const wish = adding(options, batch, format)
  const reference = isReference(options?.mode)
  const added = await attend(core, watch, ({ signal, sub }) =>
    core.call((native, id, store) => native.importFile(id, store, file, reference, { ...wish, progress: sub }), answer, signal),
  )
  return { ...added, format }
}

function answer(_: number, body: Uint8Array): Answer {
  return JSON.parse(text(body)) as Answer
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES)
}
