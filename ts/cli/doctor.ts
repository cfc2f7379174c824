// `gaiwan doctor`: what runs here, which sockets it gets, and whether two endpoints can talk.
import { availableParallelism, release, totalmem } from 'node:os'
import type { Endpoint } from '../index.js'
import { native } from '../native.js'
import type { Call } from './args.js'
import { endpointOf } from './dumbpipe.js'
import { packageVersion } from './manifest.js'
import { bytesText, explain, type Field, type Output } from './output.js'
import { selfTest } from './self-test.js'
import { udpBuffers } from './udp-buffers.js'

/** Reports one check after the other; rejects when the loopback test fails. */
export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const report = new Report(output)
  versions(report)
  const endpoint = await endpointOf(call, output)
  try {
    sockets(report, endpoint)
  } finally {
    await endpoint.close()
  }
  await buffers(report)
  await loopback(report, signal)
}

/** Prints a check as an object, or as a title with aligned lines. */
class Report {
  constructor(private readonly output: Output) {}

  check(check: string, fields: Readonly<Record<string, Field>>, lines: ReadonlyArray<readonly [string, string]>): void {
    const shown = lines.map(([label, text]) => `  ${label.padEnd(14)}${text}`)
    this.output.report({ check, ...fields }, check, ...shown)
  }
}

function versions(report: Report): void {
  const { version, quinn, rustls, target, workers } = native.nativeInfo()
  const gaiwan = packageVersion()
  const memory = totalmem()
  const cpus = availableParallelism()
  report.check(
    'versions',
    { ok: version === gaiwan, gaiwan, native: version, target, quinn, rustls, workers, node: process.versions.node },
    [
      ['gaiwan', gaiwan],
      ['native', version === gaiwan ? `${version} for ${target}` : `${version} for ${target}: NOT the version of the package`],
      ['quinn', `${quinn}, rustls ${rustls}, ${workers} ${workers === 1 ? 'thread' : 'threads'}`],
      ['Node.js', process.versions.node],
    ],
  )
  report.check('platform', { ok: true, platform: process.platform, arch: process.arch, release: release(), cpus, memory }, [
    ['system', `${process.platform} ${process.arch}, release ${release()}`],
    ['machine', `${cpus} CPUs, ${bytesText(memory)} of memory`],
  ])
}

function sockets(report: Report, endpoint: Endpoint): void {
  const bound = [...endpoint.boundAddresses]
  const local = endpoint.localAddresses().map(({ address, source }) => ({ address, source }))
  report.check('sockets', { ok: bound.length > 0, bound, local }, [
    ['bound', bound.join(', ')],
    ...local.map(({ address, source }) => [`from ${source}`, address] as const),
  ])
}

async function buffers(report: Report): Promise<void> {
  const { wanted, receive, send } = await udpBuffers()
  const says = (size: number, limit: string) =>
    size >= wanted
      ? `${bytesText(size)}, as wanted`
      : `${bytesText(size)} of ${bytesText(wanted)} wanted${process.platform === 'linux' ? `: raise ${limit} for bulk data` : ''}`
  report.check('UDP buffers', { ok: receive >= wanted && send >= wanted, wanted, receive, send }, [
    ['receive', says(receive, 'net.core.rmem_max')],
    ['send', says(send, 'net.core.wmem_max')],
  ])
}

async function loopback(report: Report, signal: AbortSignal): Promise<void> {
  try {
    const found = await selfTest(signal)
    const gso = found.datagramsPerSend > 1.5
    report.check('loopback', { ok: true, ...found, gso }, [
      ['handshake', `${found.handshakeMs.toFixed(1)} ms`],
      ['round trip', `${found.roundTripMs.toFixed(2)} ms for a request of 100 bytes`],
      ['throughput', `${bytesText(found.bytesPerSecond)}/s over one stream, ${found.lostPackets} packets lost`],
      ['GSO', `${gso ? 'in use' : 'not in use'}: ${found.datagramsPerSend.toFixed(1)} datagrams a send`],
      ['GRO', `${found.joinedReceives > 0 ? 'in use' : 'not in use'}: ${found.joinedReceives} joined receives`],
      ['datagrams', found.datagramBytes === null ? 'not taken' : `up to ${found.datagramBytes} bytes`],
    ])
  } catch (error) {
    if (signal.aborted) throw signal.reason
    const { code, message } = explain(error)
    report.check('loopback', { ok: false, code, message }, [['failed', message]])
    throw new Error(`the loopback test failed: ${message}`, { cause: error })
  }
}
