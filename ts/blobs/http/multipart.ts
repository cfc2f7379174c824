// The form `multipart/byteranges` (RFC 9110, section 14.6; RFC 2046, section 5.1).
import { randomBytes } from 'node:crypto'
import { contentRange, type Span } from './ranges.js'

/** The text around the parts, and the length of the whole in bytes. */
export interface Multipart {
  readonly contentType: string
  readonly length: number
  /** What stands before each part. */
  readonly heads: readonly string[]
  readonly tail: string
}

/** @param boundary must not occur in the parts; a random one practically cannot. */
export function multipart(spans: readonly Span[], size: number, type: string, boundary = randomBytes(16).toString('hex')): Multipart {
  const heads = spans.map(
    (span, n) => `${n === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(span, size)}\r\n\r\n`,
  )
  const tail = `\r\n--${boundary}--\r\n`
  const text = heads.reduce((sum, head) => sum + Buffer.byteLength(head), 0) + tail.length
  const data = spans.reduce((sum, { start, end }) => sum + end - start, 0)
  return { contentType: `multipart/byteranges; boundary=${boundary}`, length: text + data, heads, tail }
}
