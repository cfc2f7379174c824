// Serving until the user has enough: what `send` and `blob serve` have in common.
import type { BlobsOptions } from '../../blobs/index.js'
import { type Endpoint, Router } from '../../index.js'
import { type Call, wrong } from '../args.js'
import { interruption } from '../listen-tcp.js'
import type { Kit, Transfer } from './kit.js'

/**
 * What `--allow` and `--max-rate` ask of a provider. `only` are the hashes that may be asked for [all].
 *
 * @throws {UsageError} an id or a rate that cannot be read.
 */
export function provideOptions(call: Call, only?: ReadonlySet<string>): BlobsOptions {
  const ids = call.texts('allow')
  for (const id of ids) if (!/^[0-9a-f]{64}$/.test(id)) throw wrong(call.command, '--allow takes an endpoint id: 64 lowercase hex digits')
  const allowed = new Set(ids)
  const rate = call.text('max-rate')
  const maxUploadRate = rate === undefined ? undefined : sizeOf(rate)
  if (maxUploadRate === null) throw wrong(call.command, '--max-rate takes bytes a second: 1000000, 500k, 2M, 1G')
  return {
    ...((allowed.size > 0 || only !== undefined) && {
      authorize: (remoteId, hash) => (allowed.size === 0 || allowed.has(remoteId)) && (only === undefined || only.has(hash)),
    }),
    ...(maxUploadRate !== undefined && { limits: { maxUploadRate } }),
  }
}

/** `500k`, `1.5M`, `2GB`: decimal units, as `bytesText` tells them; null for anything else, and for nothing at all. */
export function sizeOf(text: string): number | null {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])?b?)$/i.exec(text) ?? []
  if (digits === undefined) return null
  const bytes = Math.round(Number(digits) * 1000 ** (unit === undefined ? 0 : 'kmgt'.indexOf(unit.toLowerCase()) + 1))
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : null
}

/** Opens the endpoint to peers, tells of it, and serves until interrupted; then closes the endpoint too. */
export async function provide(endpoint: Endpoint, kit: Kit, blobs: Transfer, signal: AbortSignal, tell: () => void): Promise<void> {
  const router = Router.builder(endpoint).accept(kit.alpn, blobs).spawn()
  try {
    tell()
    await interruption(signal)
  } finally {
    await router.shutdown()
  }
}
