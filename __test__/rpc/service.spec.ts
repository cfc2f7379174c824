import test from 'ava'
import * as r from '../../ts/rpc/index.js'
import { Tea } from './tea.js'

test('a method that is not where it says is a TypeError when the module loads', (t) => {
  const error = t.throws(() => r.service({ A: r.notify(r.unit).at(0), B: r.notify(r.unit).at(0) }), { instanceOf: TypeError })
  t.is(error?.message, 'methods.B: it says at(0) and is at 1')
})

test('names that the client needs and keys that JavaScript would move are refused', (t) => {
  for (const name of ['close', 'then', '7']) {
    t.throws(() => r.service({ [name]: r.notify(r.unit) } as never), { instanceOf: TypeError }, name)
  }
})

test('modifiers give a new method and leave the old one', (t) => {
  const plain = r.unary(r.str, r.str)
  const limited = plain.limit({ maxRequestBytes: 10 }).idempotent()
  t.not(plain, limited)
  t.is(limited.request, plain.request)
  t.throws(() => plain.limit({ maxRequestBytes: r.MAX_MESSAGE_BYTES + 1 }), { instanceOf: RangeError })
})

test('the fingerprint changes with the shape and only with it', (t) => {
  const shape = (name: string, item: r.AnyCodec) => r.service({ [name]: r.unary(r.struct({ a: item }), r.unit) })
  t.is(shape('A', r.u32).fingerprint, shape('A', r.brand(r.u32, 'Age')).fingerprint)
  t.not(shape('A', r.u32).fingerprint, shape('A', r.u64).fingerprint)
  t.not(shape('A', r.u32).fingerprint, shape('B', r.u32).fingerprint)
  t.not(Tea.fingerprint, r.service(Tea.methods, { spans: true }).fingerprint)
  t.regex(Tea.fingerprint, /^[0-9a-f]{64}$/)
})

test('a recursive codec has a fingerprint, and the same one each time', (t) => {
  interface Tree {
    kids: Tree[]
  }
  const Tree: r.Codec<Tree> = r.lazy(() => r.struct({ kids: r.seq(Tree) }))
  const one = r.service({ Plant: r.notify(Tree) })
  t.is(one.fingerprint, r.service({ Plant: r.notify(Tree) }).fingerprint)
})

test('toRust prints the enum of the reference service', (t) => {
  const rust = Tea.toRust('TeaProtocol')
  for (const line of [
    '#[rpc_requests(message = TeaProtocolMessage)]',
    'pub enum TeaProtocol {',
    '    #[rpc(tx = oneshot::Sender<Option<String>>)]\n    Get(GetRequest),',
    '    #[rpc(tx = mpsc::Sender<(String, u64)>)]\n    List(()),',
    '    #[rpc(rx = mpsc::Receiver<(String, String)>, tx = oneshot::Sender<u64>)]\n    SetMany(SetManyRequest),',
    'pub struct SetManyRequest(pub ());',
    '    #[rpc(tx = NoSender)]\n    Log(String),',
    '    #[rpc(tx = oneshot::Sender<Result<u64, String>>)]\n    Div((u64, u64)),',
    'pub struct SetRequest {\n    pub key: String,\n    pub value: Bytes,\n}',
  ]) {
    t.true(rust.includes(line), `${line}\nis not in\n${rust}`)
  }
})

test('a reserved variant keeps its index', (t) => {
  const rust = r.service({ Old: r.reserved(), New: r.notify(r.str).at(1) }).toRust()
  t.regex(rust, /Old\(\(\)\),[\s\S]*New\(String\)/)
})

test('toRust gives each variant a request type of its own, as the macro of irpc wants it', (t) => {
  const key = r.struct({ key: r.str })
  const rust = r
    .service({ Gone: r.reserved(), List: r.serverStream(r.unit, r.str), Get: r.unary(key, r.str), Del: r.unary(key, r.unit) })
    .toRust()
  const requests = [...rust.matchAll(/^ {4}\w+\((.+)\),$/gm)].map(([, request]) => request)
  t.deepEqual(requests, ['()', 'ListRequest', 'GetRequest', 'DelRequest'])
  t.true(rust.includes('pub struct ListRequest(pub ());'))
  t.true(rust.includes('pub struct DelRequest(pub GetRequest);'))
})
