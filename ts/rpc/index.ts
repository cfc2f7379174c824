// `gaiwan/rpc`: postcard codecs.
export * from './codec/index.js'
