// What a command line names: a hash, a collection, a tag or a ticket.
import { parseHash } from '../../blobs/http/target.js'
import type { BlobFormat, BlobTicketInfo } from '../../blobs/index.js'
import { type Call, wrong } from '../args.js'
import type { Kit, Store } from './kit.js'

/** Content, by hash. */
export interface Content {
  readonly hash: string
  readonly format: BlobFormat
}

/** A hash in either printed form, with an `s` in front for a hash sequence (`iroh-blobs` 0.104, `src/hash.rs`); null for anything else. */
export function parseContent(text: string): Content | null {
  const plain = parseHash(text)
  if (plain !== null) return { hash: plain, format: 'raw' }
  const sequence = text.startsWith('s') ? parseHash(text.slice(1)) : null
  return sequence === null ? null : { hash: sequence, format: 'hashSeq' }
}

/** As `parseContent` reads it. */
export function contentText({ hash, format }: Content): string {
  return format === 'hashSeq' ? `s${hash}` : hash
}

/** A hash, or the name of a tag. @throws {UsageError} neither. */
export async function contentOf(call: Call, store: Store, text: string): Promise<Content> {
  const content = parseContent(text)
  if (content !== null) return content
  const tag = await store.tags.get(text)
  if (tag === null) throw wrong(call.command, `${JSON.stringify(text)} is neither a hash nor the name of a tag`)
  return { hash: tag.hash, format: tag.format }
}

/** @throws {UsageError} anything but a `blob…` ticket; the text is not quoted, since tickets are not for logs. */
export function blobTicketOf(call: Call, kit: Kit, text: string): BlobTicketInfo {
  try {
    return kit.decode(text)
  } catch {
    throw wrong(call.command, 'TICKET is not a blob ticket')
  }
}
