// The request handler: from a request to a status, headers and verified bytes.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { GaiwanError } from '../../errors.js'
import { bytesOf, opened, parts, pump } from './body.js'
import { Collections } from './collections.js'
import { judge } from './conditions.js'
import { blobHeaders, cacheHeaders, etagOf, listingHeaders } from './headers.js'
import { isOurs } from './host.js'
import { type Listing, preferred, render } from './listing.js'
import { multipart } from './multipart.js'
import { type GatewayStore, type HandlerOptions, type Settings, settings } from './options.js'
import { contentRange, parseRanges, type Span } from './ranges.js'
import { type Found, resolve } from './resolve.js'
import { parseTarget } from './target.js'

/**
 * A handler for `node:http` that answers GET and HEAD of `/<hash>`, and of `/<hash>/<name>` within collections, from `store`.
 * Hashes are hex or base32. Mounted below a path, it wants `request.url` without that.
 *
 * The entity tag is the quoted hash, so a cache never has to ask twice. Single, open, suffix and several ranges are honoured.
 * Every byte is verified on its way: what no longer matches its hash ends the connection instead of the answer.
 *
 * @example
 * ```ts
 * const server = createServer(createHandler(await BlobStore.open('blobs')))
 * server.listen(8080, '127.0.0.1')
 * ```
 *
 * @throws {TypeError | RangeError} wrong options. The handler itself never throws.
 */
export function createHandler(store: GatewayStore, options: HandlerOptions = {}): RequestListener {
  const gateway = new Handler(store, settings(options))
  return (request, response) => void gateway.handle(request, response)
}

class Handler {
  readonly #store: GatewayStore
  readonly #settings: Settings
  readonly #collections: Collections

  constructor(store: GatewayStore, settings: Settings) {
    this.#store = store
    this.#settings = settings
    this.#collections = new Collections(store, settings.maxEntries)
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    // Whoever resets the connection while it is written to is gone too; without a listener it would end the process.
    response.on('error', () => gone.abort())
    try {
      await this.#answer(request, response, gone.signal)
    } catch (error) {
      if (gone.signal.aborted) return
      // Half an answer must never look whole: the socket goes, not only the response.
      if (response.headersSent) response.destroy()
      else refuse(request, response, statusOf(error))
      this.#tell(error, request)
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { method, headers, url = '' } = request
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD')
      return refuse(request, response, 405)
    }
    if (!isOurs(headers.host, this.#settings.hosts)) return refuse(request, response, 421)
    const target = parseTarget(url)
    if (target === 'malformed') return refuse(request, response, 400)
    const found = target === 'unknown' ? null : await resolve(this.#store, this.#collections, target)
    if (found === null) return refuse(request, response, 404)

    const form = preferred(headers.accept)
    const etag = etagOf(found, form)
    const verdict = judge(headers, etag)
    if (verdict === 412) return refuse(request, response, 412)
    if (verdict === 304) return void response.writeHead(304, cacheHeaders(found, etag)).end()
    if (found.kind === 'listing') {
      response.writeHead(200, { ...cacheHeaders(found, etag), ...listingHeaders(form) })
      return await this.#list(found.listing, form, request, response, signal)
    }
    // Ranges are defined for GET alone (RFC 9110, section 14.2).
    const ranges = verdict.ranges && method === 'GET' ? headers.range : undefined
    await this.#serve(found, ranges, { ...cacheHeaders(found, etag), ...blobHeaders(found.name) }, request, response, signal)
  }

  async #list(listing: Listing, form: 'html' | 'json', { method }: IncomingMessage, response: ServerResponse, signal: AbortSignal) {
    if (method === 'HEAD') response.end()
    else await pump(response, render(listing, form), signal)
  }

  async #serve(
    { hash, size }: Extract<Found, { kind: 'blob' }>,
    range: string | undefined,
    headers: ReturnType<typeof blobHeaders>,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const ranges = parseRanges(range, size, this.#settings.maxRanges)
    if (ranges === 'none') {
      response.setHeader('content-range', `bytes */${size}`)
      return refuse(request, response, 416)
    }
    const read = (span: Span) => bytesOf(this.#store, hash, span, signal)
    if (ranges === 'whole' || ranges.length === 1) {
      const span = ranges === 'whole' ? { start: 0, end: size } : ranges[0]!
      const length = span.end - span.start
      const all = { ...headers, 'content-length': length, ...(ranges !== 'whole' && { 'content-range': contentRange(span, size) }) }
      const pieces = request.method === 'HEAD' || length === 0 ? [] : await opened(read(span))
      response.writeHead(ranges === 'whole' ? 200 : 206, all)
      return await pump(response, pieces, signal)
    }
    const form = multipart(ranges, size, headers['content-type'])
    const pieces = await opened(parts(ranges, form, read))
    response.writeHead(206, { ...headers, 'content-type': form.contentType, 'content-length': form.length })
    await pump(response, pieces, signal)
  }

  #tell(error: unknown, request: IncomingMessage): void {
    try {
      this.#settings.onError(error, request)
    } catch {
      // A broken ear must not end the process.
    }
  }
}

const SAYS: Readonly<Record<number, string>> = {
  400: 'The address is malformed.',
  404: 'There is no such blob here.',
  405: 'Only GET and HEAD are answered.',
  412: 'The blob has another tag.',
  416: 'The blob has no such bytes.',
  421: 'This name is not served here.',
  500: 'The blob cannot be read.',
  503: 'The store is busy.',
}

/** An answer without content of the store, in one line. */
function refuse({ method }: IncomingMessage, response: ServerResponse, status: number): void {
  const text = `${SAYS[status]}\n`
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': text.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(method === 'HEAD' ? undefined : text)
}

function statusOf(error: unknown): number {
  if (GaiwanError.is(error, 'BLOB_NOT_FOUND', 'BLOB_INCOMPLETE')) return 404
  return GaiwanError.is(error, 'STORE_BUSY', 'STORE_CLOSED') ? 503 : 500
}
