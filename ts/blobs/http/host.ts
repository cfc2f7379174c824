// The header `Host`: whether a request was meant for us.
import { isIP } from 'node:net'

/**
 * Whether a name is one of ours. IP addresses and `localhost` always are: only a name can be made to resolve to this machine by a
 * stranger, whose page a browser would then let read our answers. Without the header (HTTP/1.0) there is no browser.
 */
export function isOurs(host: string | undefined, hosts: '*' | ReadonlySet<string>): boolean {
  if (hosts === '*' || host === undefined) return true
  const name = host.toLowerCase().replace(/:\d*$/, '')
  const bare = /^\[(.*)\]$/.exec(name)?.[1]
  if (bare !== undefined) return isIP(bare) === 6
  return isIP(name) === 4 || name === 'localhost' || name.endsWith('.localhost') || hosts.has(name)
}
