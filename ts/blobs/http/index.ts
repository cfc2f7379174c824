// `gaiwan/blobs/http`: a store over HTTP. What this entry offers.
export { createHandler } from './handler.js'
export type { GatewayStore, HandlerOptions } from './options.js'
export { type Gateway, type ServeOptions, serve } from './serve.js'
