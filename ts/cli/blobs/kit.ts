// The door of the command to `gaiwan/blobs`, which is loaded only when a command runs.
import type { BlobStore, Blobs, BlobsOptions, BlobTicketInfo } from '../../blobs/index.js'
import type { Endpoint } from '../../index.js'

export type Store = BlobStore
/** A provider and getter. */
export type Transfer = Blobs

export interface Kit {
  readonly alpn: string
  open(directory: string): Promise<Store>
  transfer(endpoint: Endpoint, store: Store, options?: BlobsOptions): Transfer
  /** Throws for what is no blob ticket. */
  decode(ticket: string): BlobTicketInfo
  hashFile(path: string, signal: AbortSignal): Promise<string>
}

export async function blobKit(): Promise<Kit> {
  const { ALPN, Blobs, BlobStore, BlobTicket, hashFile } = await import('../../blobs/index.js')
  return {
    alpn: ALPN,
    open: (directory) => BlobStore.open(directory),
    transfer: (endpoint, store, options) => new Blobs(endpoint, store, options),
    decode: (ticket) => BlobTicket.decode(ticket),
    hashFile: (path, signal) => hashFile(path, { signal }),
  }
}
