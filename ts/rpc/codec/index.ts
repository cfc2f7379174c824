// Every codec of `gaiwan/rpc`: postcard, and the types of iroh.
export * from '../../wire/postcard/index.js'
export { endpointAddr } from './addr.js'
export { endpointId, hash } from './identity.js'
