// The front door.
export * from './endpoint/index.js'
export { type ClosedBy, type ErrorCode, GaiwanError, type GaiwanErrorOptions } from './errors.js'
export * from './router/index.js'
export type { Bytes, BytesLike, Hash } from './wire/bytes.js'
