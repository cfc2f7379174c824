// `gaiwan blob serve [WHAT...]`: the store for peers, and for browsers too where that is asked for.
import { type Gateway, type GatewayStore, serve } from '../../blobs/http/index.js'
import { type Call, wrong } from '../args.js'
import { endpointOf } from '../dumbpipe.js'
import { explain, type Output } from '../output.js'
import { hostPortOf } from '../tcp.js'
import type { Store, Transfer } from './kit.js'
import { Peers } from './peers.js'
import { provide, provideOptions } from './provide.js'
import { inStore } from './store.js'
import { type Content, contentOf, contentText } from './what.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const http = call.text('http') === undefined ? null : hostPortOf(call, 'http')
  const names = call.texts('http-name')
  if (http === null && names.length > 0) throw wrong(call.command, '--http-name belongs to --http')
  provideOptions(call)
  await inStore(call, async (store, kit) => {
    const contents: Content[] = []
    for (const text of call.operands) contents.push(await contentOf(call, store, text))
    const only = contents.length > 0 ? await withParts(store, contents, signal) : undefined
    const endpoint = await endpointOf(call, output)
    let gateway: Gateway | null = null
    try {
      const blobs = kit.transfer(endpoint, store, { ...provideOptions(call, only), onEvent: new Peers(output).on })
      if (http !== null) gateway = await browsers(only === undefined ? store : limited(store, only), { ...http, hosts: names }, output)
      await provide(endpoint, kit, blobs, signal, () => {
        tell({ id: endpoint.id, addresses: endpoint.addr.addresses ?? [], url: gateway?.url ?? null }, contents, blobs, output)
      })
    } finally {
      await gateway?.close()
      await endpoint.close()
    }
  })
}

/** Whoever may have a collection may have each of its parts: the hashes of all of it. */
async function withParts(store: Store, contents: readonly Content[], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const all = new Set<string>()
  for (const { hash, format } of contents) {
    all.add(hash)
    if (format === 'raw') continue
    let rest = Buffer.alloc(0)
    for await (const chunk of store.read(hash, { signal })) {
      const bytes = Buffer.concat([rest, chunk])
      const whole = bytes.length - (bytes.length % 32)
      for (let at = 0; at < whole; at += 32) all.add(bytes.toString('hex', at, at + 32))
      rest = bytes.subarray(whole)
    }
  }
  return all
}

/** The store as if it held nothing else. */
function limited(store: Store, only: ReadonlySet<string>): GatewayStore {
  return {
    status: async (hash) => (only.has(String(hash)) ? await store.status(hash) : { state: 'absent' }),
    collection: (hash) => store.collection(hash),
    read: (hash, options) => store.read(hash, options),
  }
}

async function browsers(store: GatewayStore, at: { host: string; port: number; hosts: string[] }, output: Output): Promise<Gateway> {
  const onError = (error: unknown) => {
    const { code, message } = explain(error)
    output.tell({ event: 'httpError', code, message }, `HTTP: ${message}`)
  }
  return await serve(store, { ...at, onError })
}

interface Place {
  readonly id: string
  readonly addresses: readonly string[]
  readonly url: string | null
}

function tell({ id, addresses, url }: Place, contents: readonly Content[], blobs: Transfer, output: Output): void {
  const tickets = contents.map((content) => ({ content: contentText(content), ticket: blobs.ticket(content.hash, content.format) }))
  output.report(
    { event: 'listening', id, addresses: [...addresses], url, tickets },
    `Serving ${contents.length === 0 ? 'the whole store to whoever knows a hash' : `${contents.length} of the store`}, as ${id}`,
    ...addresses.map((address) => `  at ${address}`),
    ...(url === null ? [] : [`  at ${url}/HASH`]),
    ...tickets.map(({ content, ticket }) => `${content.slice(0, 10)}…  gaiwan receive ${ticket}`),
  )
}
