// What both ends must agree on: iroh-gossip 0.101, `src/net.rs`.

/** Name of the protocol. */
export const ALPN = '/iroh-gossip/1'
