import test from 'ava'
import fc from 'fast-check'
import { judge } from '../../../ts/blobs/http/conditions.js'
import { isOurs } from '../../../ts/blobs/http/host.js'
import { preferred } from '../../../ts/blobs/http/listing.js'
import { parseRanges } from '../../../ts/blobs/http/ranges.js'
import { parseTarget } from '../../../ts/blobs/http/target.js'
import { typeOf } from '../../../ts/blobs/http/types.js'
import { pattern } from '../../helpers/pair.js'
import { Client, partsOf } from './client.js'

const TEN: ReadonlyArray<readonly [header: string | undefined, wanted: string]> = [
  [undefined, 'whole'],
  ['bytes=0-0', '0-1'],
  ['bytes=2-4', '2-5'],
  ['bytes=2-', '2-10'],
  ['bytes=-3', '7-10'],
  ['bytes=-30', '0-10'],
  ['bytes=0-99999999999999999999999', '0-10'],
  ['bytes=9-9', '9-10'],
  ['BYTES=1-2', '1-3'],
  ['bytes = 1-2 , 4-4', '1-3 4-5'],
  ['bytes=,1-2,,', '1-3'],
  ['bytes=10-', 'none'],
  ['bytes=10-20,-0', 'none'],
  ['bytes=99999999999999999999999-', 'none'],
  ['bytes=-0', 'none'],
  // What cannot be met falls away beside what can.
  ['bytes=10-,3-3', '3-4'],
  ['bytes=5-6,1-2', '5-7 1-3'],
  ['bytes=5-6,1-2,6-8', '5-9 1-3'],
  ['bytes=4-5,0-3', '0-6'],
  ['bytes=0-,-1', '0-10'],
  ['bytes=', 'whole'],
  ['bytes=,', 'whole'],
  ['bytes=-', 'whole'],
  ['bytes=4-2', 'whole'],
  ['bytes=1-2,4-2', 'whole'],
  ['bytes=a-b', 'whole'],
  ['bytes=1-2-3', 'whole'],
  ['bytes=+1-2', 'whole'],
  ['bytes 1-2', 'whole'],
  ['chunks=1-2', 'whole'],
  ['bytes=0-0,2-2,4-4,6-6,8-8', 'whole'],
  ['bytes=0-0,1-1,2-2,3-3,4-4', '0-5'],
]
for (const [header, wanted] of TEN) {
  test(`of ten bytes and four ranges at most, ${header} means ${wanted}`, (t) => {
    const ranges = parseRanges(header, 10, 4)
    t.is(typeof ranges === 'string' ? ranges : ranges.map(({ start, end }) => `${start}-${end}`).join(' '), wanted)
  })
}

test('of nothing, no first byte is there, and the end of it is the whole', (t) => {
  t.is(parseRanges('bytes=0-', 0, 4), 'none')
  t.is(parseRanges('bytes=-5', 0, 4), 'whole')
})

test('ranges of any kind answer what slicing gives', async (t) => {
  const client = await Client.start(t)
  const data = Buffer.from(pattern(70_001))
  const hash = client.store.add(data)
  const offset = fc.integer({ min: 0, max: 80_000 })
  const spec = fc.oneof(
    fc.tuple(offset, offset).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    offset.map((a) => `${a}-`),
    offset.map((a) => `-${a}`),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(spec, { minLength: 1, maxLength: 12 }), async (specs) => {
      const answer = await client.get(`/${hash}`, { range: `bytes=${specs.join(', ')}` })
      const wanted = new Set<number>()
      for (const one of specs) for (const at of positions(one, data.length)) wanted.add(at)
      if (wanted.size === 0) {
        t.is(answer.status, 416)
        t.is(answer.headers['content-range'], `bytes */${data.length}`)
        return
      }
      t.is(answer.status, 206)
      t.is(answer.body.length, Number(answer.headers['content-length']))
      const parts = answer.headers['content-range'] ? [{ headers: answer.headers, body: answer.body }] : partsOf(answer)
      const got = new Set<number>()
      for (const { headers, body } of parts) {
        const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(String(headers['content-range'])) ?? []
        t.is(Number(size), data.length)
        t.deepEqual(body, data.subarray(Number(first), Number(last) + 1))
        for (let at = Number(first); at <= Number(last); at++) {
          t.false(got.has(at), 'no byte goes twice')
          got.add(at)
        }
      }
      t.is(got.size, wanted.size)
      for (const at of wanted) if (!got.has(at)) t.fail(`byte ${at} is missing`)
    }),
    { numRuns: 60 },
  )
})

/** What one range means, worked out another way than the code does. */
function positions(spec: string, size: number): number[] {
  const all = Array.from({ length: size }, (_, n) => n)
  const [first = '', last = ''] = spec.split('-')
  if (first === '') return last === '0' ? [] : all.slice(-Number(last))
  return last === '' ? all.slice(Number(first)) : all.slice(Number(first), Number(last) + 1)
}

const HEX = 'ab'.repeat(32)
// Python: base64.b32encode(bytes.fromhex('ab' * 32)).decode().rstrip('=').lower()
const BASE32 = 'vov2xk5lvov2xk5lvov2xk5lvov2xk5lvov2xk5lvov2xk5lvovq'

test('a target is a hash in either form and a name that is decoded once', (t) => {
  const cases: ReadonlyArray<readonly [string, unknown]> = [
    [`/${HEX}`, { hash: HEX, path: null, filename: null }],
    [`/${BASE32}`, { hash: HEX, path: null, filename: null }],
    [`/${BASE32.toUpperCase()}/`, { hash: HEX, path: '', filename: null }],
    [`/${HEX}/a/b%20c%2Fd`, { hash: HEX, path: 'a/b c/d', filename: null }],
    [`/${HEX}/%252e%252e/x`, { hash: HEX, path: '%2e%2e/x', filename: null }],
    [`/${HEX}/../x`, { hash: HEX, path: '../x', filename: null }],
    [`/${HEX}?filename=a%20b.png#top`, { hash: HEX, path: null, filename: 'a b.png' }],
    [`/${HEX}/a?b?c`, { hash: HEX, path: 'a', filename: null }],
    [`http://here:80/${HEX}/a`, { hash: HEX, path: 'a', filename: null }],
    [`/${HEX.toUpperCase()}`, 'unknown'],
    [`/${BASE32.slice(0, -1)}r`, 'unknown'],
    ['/', 'unknown'],
    ['/favicon.ico', 'unknown'],
    [`/${HEX}/%ff`, 'malformed'],
    [`/${HEX}/%`, 'malformed'],
    ['*', 'malformed'],
    ['', 'malformed'],
    ['http://here', 'malformed'],
  ]
  for (const [url, wanted] of cases) t.deepEqual(parseTarget(url), wanted as never, url)
})

test('conditions: a weak tag is enough to know a blob, and not enough to go on with its bytes', (t) => {
  const tag = '"t"'
  t.is(judge({ 'if-none-match': '"t"' }, tag), 304)
  t.is(judge({ 'if-none-match': '"x", W/"t"' }, tag), 304)
  t.is(judge({ 'if-none-match': '*' }, tag), 304)
  t.deepEqual(judge({ 'if-none-match': '"x"' }, tag), { ranges: true })
  t.deepEqual(judge({ 'if-none-match': 't' }, tag), { ranges: true })
  t.deepEqual(judge({ 'if-modified-since': 'Mon, 01 Jan 2035 00:00:00 GMT' }, tag), { ranges: true })
  t.is(judge({ 'if-match': '"x"' }, tag), 412)
  t.is(judge({ 'if-match': 'W/"t"' }, tag), 412)
  t.deepEqual(judge({ 'if-match': '"x", "t"' }, tag), { ranges: true })
  t.deepEqual(judge({ 'if-range': '"t"' }, tag), { ranges: true })
  for (const other of ['W/"t"', '"x"', 'Mon, 01 Jan 2035 00:00:00 GMT']) t.deepEqual(judge({ 'if-range': other }, tag), { ranges: false })
})

test('types go by the ending, in any case', (t) => {
  t.is(typeOf('a/b/Photo.JPG'), 'image/jpeg')
  t.is(typeOf('x.tar.gz'), 'application/gzip')
  t.is(typeOf('page.html'), 'text/html; charset=utf-8')
  for (const name of [null, '', 'README', '.', 'x.constructor', 'x.tea', 'png']) t.is(typeOf(name), 'application/octet-stream')
})

test('only names can be forged: addresses and localhost are ours, others have to be named', (t) => {
  const named = new Set(['tea.example'])
  for (const host of [
    undefined,
    '127.0.0.1',
    '127.0.0.1:80',
    '[::1]',
    '[::1]:80',
    'localhost',
    'LOCALHOST:1',
    'a.localhost',
    'tea.example:8',
  ])
    t.true(isOurs(host, named), String(host))
  for (const host of ['', 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '[x]', 'tea.example.evil', '::1'])
    t.false(isOurs(host, named), host)
  t.true(isOurs('evil.example', '*'))
})

test('JSON goes to those who prefer it, the page to everybody else', (t) => {
  for (const accept of ['application/json', 'application/json;q=0.9, text/html;q=0.8', 'APPLICATION/JSON, */*;q=0.1', 'application/*'])
    t.is(preferred(accept), 'json', accept)
  for (const accept of [
    undefined,
    '*/*',
    'text/html',
    'text/html,application/xhtml+xml,*/*;q=0.8',
    'image/png',
    '',
    'application/json;q=0',
  ])
    t.is(preferred(accept), 'html', String(accept))
})
