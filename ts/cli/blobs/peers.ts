// Who fetches what from us: provider events as lines and reports.
import type { ProviderEvent, RequestKind } from '../../blobs/index.js'
import { short } from '../dumbpipe.js'
import { bytesText, type Field, type Output, printable } from '../output.js'

/** Where it is told. */
export type Told = Pick<Output, 'json' | 'report' | 'note' | 'progress'>

interface Request {
  readonly remoteId: string
  readonly kind: RequestKind
  readonly hash: string
  /** Whether it came to a blob that has a name. */
  named: boolean
  /** The blob under way. */
  blob: { readonly hash: string; readonly size: number; sent: number } | null
  /** Blobs that began, and their bytes. */
  blobs: number
  bytes: number
}

/** What proves a size: the last bytes of a blob. */
const LAST_BYTES = 1_024

/** Whether a request was for sizes or state. */
function onlyLooked({ blobs, bytes }: Request, sent: number): boolean {
  return sent === 0 || (sent < bytes && sent <= blobs * LAST_BYTES)
}

/** Follows requests from event to event. */
export class Peers {
  readonly #output: Told
  /** Names of blobs, for people. */
  readonly #names: ReadonlyMap<string, string>
  readonly #quiet: boolean
  readonly #requests = new Map<string, Request>()
  /** Payload bytes of all requests that are over. */
  sent = 0

  constructor(output: Told, names: ReadonlyMap<string, string> = new Map(), { quiet = false } = {}) {
    this.#output = output
    this.#names = names
    this.#quiet = quiet
  }

  /** For `onEvent` of the provider. */
  readonly on = (event: ProviderEvent): void => {
    const { remoteId, connectionId } = event
    if (event.type === 'connected') {
      this.#output.note({ event: 'connected', remoteId, connectionId }, `${short(remoteId)} connected.`)
      return
    }
    if (event.type === 'disconnected') {
      // Its requests end with events of their own, but none may be shown for ever if one is lost.
      for (const key of this.#requests.keys()) if (key.startsWith(`${connectionId}/`)) this.#requests.delete(key)
      this.#output.note({ event: 'disconnected', remoteId, connectionId }, `${short(remoteId)} left.`)
      return
    }
    const key = `${connectionId}/${event.requestId}`
    const at = { remoteId, connectionId, requestId: event.requestId }
    const request = this.#requests.get(key)
    if (event.type === 'request') {
      this.#requests.set(key, {
        remoteId,
        kind: event.request,
        hash: event.hash,
        named: this.#names.size === 0,
        blob: null,
        blobs: 0,
        bytes: 0,
      })
      if (this.#output.json) this.#output.report({ event: 'request', ...at, request: event.request, hash: event.hash })
    } else if (event.type === 'started') {
      if (request !== undefined) {
        request.blob = { hash: event.hash, size: event.size, sent: 0 }
        request.blobs++
        request.bytes += event.size
        request.named ||= this.#names.has(event.hash)
      }
      if (this.#output.json) this.#output.report({ event: 'started', ...at, index: event.index, hash: event.hash, size: event.size })
    } else if (event.type === 'progress') {
      if (request?.blob) request.blob.sent = event.endOffset
    } else {
      this.#requests.delete(key)
      this.#over(event, request, at)
    }
    if (!this.#quiet) this.#output.progress((columns) => this.line(columns))
  }

  #over(event: Extract<ProviderEvent, { type: 'completed' | 'aborted' }>, request: Request | undefined, at: Record<string, Field>): void {
    const { payloadBytesWritten: bytes, elapsedMs } = event.stats
    this.sent += bytes
    const hash = request?.hash ?? null
    const said = `${bytesText(bytes)} in ${(elapsedMs / 1000).toFixed(1)} s`
    const did = event.type === 'completed' ? 'got' : 'left after'
    const line = `${short(event.remoteId)} ${did} ${said}${this.#nameOf(request?.hash, ': ')}`
    const fields = { event: event.type, ...at, hash, bytes, elapsedMs }
    // Requests for names, sizes or state move nothing that people would ask about.
    if (!request?.named || (event.type === 'completed' && onlyLooked(request, bytes))) this.#output.note(fields, line)
    else this.#output.report(fields, line)
  }

  /** What is under way, in one line: `2 requests: 1111111111 a.txt 45 %, 2222222222 b.txt 3 %`. */
  line(columns: number): string {
    const active = [...this.#requests.values()].filter(({ blob }) => blob !== null)
    if (active.length === 0) return ''
    const parts = active.map(({ remoteId, blob }) => {
      const { hash, size, sent } = blob!
      const share = size === 0 ? 100 : Math.min(100, Math.floor((100 * sent) / size))
      return `${short(remoteId)}${this.#nameOf(hash, ' ')} ${share} %`
    })
    const head = active.length === 1 ? '' : `${active.length} requests: `
    return `${head}${parts.join(', ')}`.slice(0, columns)
  }

  #nameOf(hash: string | undefined, before: string): string {
    const name = hash === undefined ? undefined : this.#names.get(hash)
    return name === undefined ? '' : `${before}${printable(name)}`
  }
}
