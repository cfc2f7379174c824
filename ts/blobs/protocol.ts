// What this protocol is called.

/** `/iroh-bytes/4` */
export const ALPN: string = '/iroh-bytes/4'
