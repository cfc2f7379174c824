import { readFileSync } from 'node:fs'
import test from 'ava'
import { WANTED_BYTES } from '../../ts/cli/udp-buffers.js'
import { gaiwan, jsonLines, LOOPBACK } from './command.js'

test('doctor tells versions, platform, sockets, buffers and a loopback test as JSON', async (t) => {
  const { status, stdout, stderr } = await gaiwan(t, ['doctor', ...LOOPBACK, '--json'])
  t.is(stderr, '')
  t.is(status, 0)
  const lines = stdout.toString().trimEnd().split('\n')
  const checks = jsonLines(stdout.toString())
  t.is(checks.length, lines.length)
  t.deepEqual(
    checks.map(({ check }) => check),
    ['versions', 'platform', 'sockets', 'UDP buffers', 'loopback'],
  )
  const [versions, platform, sockets, buffers, loopback] = checks
  t.like(versions, { ok: true, node: process.versions.node })
  t.regex(String(versions!.quinn), /^0\.11\./)
  t.like(platform, { platform: process.platform, arch: process.arch })
  t.regex(String((sockets!.bound as string[])[0]), /^127\.0\.0\.1:\d+$/)
  t.is(buffers!.wanted, 2 * 1024 * 1024)
  for (const way of ['receive', 'send']) t.true(Number(buffers![way]) > 1_000, way)
  t.is(buffers!.ok, Number(buffers!.receive) >= Number(buffers!.wanted) && Number(buffers!.send) >= Number(buffers!.wanted))
  t.like(loopback, { ok: true, bulkBytes: 64 * 1024 * 1024 })
  for (const name of ['handshakeMs', 'roundTripMs', 'bytesPerSecond', 'datagramsPerSend']) t.true(Number(loopback![name]) > 0, name)
  t.true(Number(loopback!.datagramBytes) > 1_000)
  t.is(loopback!.gso, Number(loopback!.datagramsPerSend) > 1.5)
})

test('doctor tells the same to people', async (t) => {
  const { status, stdout } = await gaiwan(t, ['doctor', ...LOOPBACK])
  t.is(status, 0)
  for (const line of [
    /^versions$/m,
    /^ {2}quinn +0\.11/m,
    /^ {2}bound +127\.0\.0\.1:\d+$/m,
    /^ {2}handshake +[\d.]+ ms$/m,
    /^ {2}throughput +[\d.]+ [kMG]B\/s/m,
  ]) {
    t.regex(stdout.toString(), line)
  }
})

test('doctor fails in one line when its socket cannot be bound', async (t) => {
  const { status, stderr } = await gaiwan(t, ['doctor', '--bind', '192.0.2.1:0'])
  t.is(status, 1)
  t.regex(stderr, /^gaiwan: [^\n]+ \[BIND_FAILED\]\n$/)
})

test('doctor asks for the buffers that the native core asks for', (t) => {
  const source = readFileSync(new URL('../../crates/endpoint/src/socket.rs', import.meta.url), 'utf8')
  const [, product] = /const BUFFER_BYTES: usize = ([\d_ *]+);/.exec(source)!
  const bytes = product!.split('*').reduce((total, factor) => total * Number(factor.replaceAll('_', '')), 1)
  t.is(bytes, WANTED_BYTES)
})
