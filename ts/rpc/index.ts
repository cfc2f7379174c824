// `gaiwan/rpc`: postcard codecs, services, clients and handlers; wire-compatible with irpc 0.17 over irpc-iroh 0.17.
export * from './codec/index.js'
export { client } from './client.js'
export { RpcError } from './errors.js'
export { local } from './local.js'
export {
  bidiStream,
  type Channel,
  clientStream,
  type Many,
  type Method,
  many,
  method,
  type None,
  none,
  notify,
  notifyStream,
  type One,
  one,
  type Reserved,
  reserved,
  serverStream,
  unary,
} from './method.js'
export type { ClientOptions, ServerOptions } from './options.js'
export { serve } from './serve.js'
export { type Methods, type Service, service } from './service.js'
export type {
  AnswerStream,
  CallContext,
  CallOptions,
  Client,
  ClientControl,
  ClientMethod,
  Handler,
  Handlers,
  NotifyOptions,
  OpenCall,
} from './types.js'
export { MAX_MESSAGE_BYTES } from '../wire/postcard/message.js'
