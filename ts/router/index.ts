// Gives each connection to the handler of its ALPN: what this room offers.
export type { Accepting, IncomingVerdict, ProtocolHandler } from './handler.js'
export { Router, type RouterBuilder } from './router.js'
