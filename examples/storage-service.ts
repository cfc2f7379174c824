// How do I call a Rust service, or offer one to Rust, with types on both sides?
//
// A service is a list of methods: what goes in, what comes out, and how many of each. The same list in Rust is an enum for irpc;
// `interop/src/storage.rs` has it, with the same client. Any of the four pairings works, since the bytes are the same.
// Run: npx tsx examples/storage-service.ts                      both sides here
//      npx tsx examples/storage-service.ts serve                waits for callers, in Rust or TypeScript, until its stdin ends
//      npx tsx examples/storage-service.ts call ID ADDRESS      calls one that waits, in Rust or TypeScript
import { once } from 'node:events'
import { Endpoint, type EndpointAddr, Router } from 'gaiwan'
import * as r from 'gaiwan/rpc'

const ALPN = 'example/storage/1'
const LOOPBACK = { bind: '127.0.0.1:0' }
const MAX_VALUE_BYTES = 1_024

// ---------------------------------------------------------------- what both sides know

const Refusal = r.enumOf({ EmptyKey: r.unit, TooLong: r.struct({ maxBytes: r.u32 }) })
const Row = r.tuple(r.str, r.str)

/** The order is the wire: `.at` keeps a tool that sorts keys from changing it. New methods go to the end. */
const Storage = r.service({
  Get: r
    .unary(r.struct({ key: r.str }), r.option(r.str))
    .at(0)
    .idempotent(),
  Set: r.unary(r.struct({ key: r.str, value: r.str }), r.result(r.unit, Refusal)).at(1),
  List: r.serverStream(r.struct({ prefix: r.str }), Row).at(2),
  SetMany: r.clientStream(r.unit, Row, r.u64).at(3),
  Lookup: r.bidiStream(r.unit, r.str, r.option(r.str)).at(4),
  Clear: r.notify(r.unit).at(5),
})

// ---------------------------------------------------------------- the service

/** A handler for each method. TypeScript knows the type of everything that comes in, and of what must go out. */
function storage(): r.Handlers<typeof Storage> {
  const shelf = new Map<string, string>()
  const set = (key: string, value: string): r.Result<void, r.Infer<typeof Refusal>> => {
    if (key === '') return { ok: false, error: { tag: 'EmptyKey' } }
    if (Buffer.byteLength(value) > MAX_VALUE_BYTES) return { ok: false, error: { tag: 'TooLong', value: { maxBytes: MAX_VALUE_BYTES } } }
    shelf.set(key, value)
    return { ok: true }
  }
  return {
    Get: ({ key }) => shelf.get(key),
    Set: ({ key, value }) => set(key, value),
    List: ({ prefix }) => [...shelf].filter(([key]) => key.startsWith(prefix)).sort(),
    async SetMany(_, rows) {
      let stored = 0n
      for await (const [key, value] of rows) if (set(key, value).ok) stored++
      return stored
    },
    async *Lookup(_, keys) {
      for await (const key of keys) yield shelf.get(key)
    },
    Clear: () => shelf.clear(),
  }
}

async function serve(): Promise<Router> {
  return Router.builder(await Endpoint.bind(LOOPBACK))
    .accept(ALPN, r.serve(Storage, storage()))
    .spawn()
}

// ---------------------------------------------------------------- the client

async function call(addr: EndpointAddr): Promise<void> {
  await using me = await Endpoint.bind(LOOPBACK)
  await using store = r.client(Storage, me, addr, ALPN)

  // One question, one answer. A refusal is a value, with its own type; what is thrown is that the call itself failed.
  const stored = await store.Set({ key: 'sencha', value: '70 °C' }, { timeoutMs: 5_000 })
  console.log(`set sencha: ${stored.ok ? 'stored' : 'refused'}`)
  const nameless = await store.Set({ key: '', value: 'boiling' })
  if (!nameless.ok && nameless.error.tag === 'EmptyKey') console.log('set without a key: refused, EmptyKey')
  const novel = await store.Set({ key: 'novel', value: 'x'.repeat(2_000) })
  if (!novel.ok && novel.error.tag === 'TooLong') console.log(`set a novel: refused, at most ${novel.error.value.maxBytes} bytes`)
  console.log('get sencha:', (await store.Get({ key: 'sencha' })) ?? 'nothing')
  console.log('get coffee:', (await store.Get({ key: 'coffee' })) ?? 'nothing')

  // Many in, one out: anything that can be iterated. A slow service slows the source down.
  const rows = new Map([
    ['oolong', '85 °C'],
    ['assam', '95 °C'],
    ['', 'boiling'],
  ])
  console.log(`set many: ${await store.SetMany(rows)} of 3 stored`)

  // One in, many out: leaving the loop early would cancel the call.
  const keys: string[] = []
  for await (const [key] of store.List({ prefix: '' })) keys.push(key)
  console.log('list:', keys.join(', '))

  // Many in, many out, at the same time.
  const asked = ['assam', 'coffee', 'oolong']
  let n = 0
  for await (const value of store.Lookup(asked)) console.log(`lookup ${asked[n++]}:`, value ?? 'nothing')

  // Nothing out: `delivered` waits until it has arrived there.
  await store.Clear({ delivered: true })
  console.log('after clear:', (await store.Get({ key: 'sencha' })) ?? 'nothing')
}

const [what, id = '', address = ''] = process.argv.slice(2)
if (what === 'call') await call({ id, addresses: [address] })
else {
  const router = await serve()
  const { endpoint } = router
  if (what === 'serve') {
    console.log('serving at', endpoint.id, ...(endpoint.addr.addresses ?? []))
    await once(process.stdin.resume(), 'end')
  } else await call(endpoint.addr)
  await router.shutdown()
}
