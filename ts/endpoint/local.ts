// Addresses of this machine that others may dial.
import { BlockList, isIPv4 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { EndpointAddr } from './addr.js'

export interface LocalAddress {
  readonly address: string
  readonly source: 'socket' | 'external' | 'observed'
}

/** Host and port of `ip:port` or `[v6]:port`. */
export function split(address: string): { host: string; port: string } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: address.slice(at + 1) }
}

function join(host: string, port: string): string {
  return isIPv4(host) ? `${host}:${port}` : `[${host}]:${port}`
}

/** Hosts of this machine for a wildcard: real ones without link-local, loopback only where there is nothing else. */
function hosts(wanted: (family: string) => boolean): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const fit = all.filter(({ family, address }) => wanted(family) && !linkLocal(address))
  const real = fit.filter(({ internal }) => !internal)
  return (real.length > 0 ? real : fit).map(({ address }) => address)
}

function linkLocal(host: string): boolean {
  return /^fe[89ab]/i.test(host) || host.startsWith('169.254.')
}

/**
 * The addresses in the order to try them. One that belongs to this machine means a peer on this machine, which is tried on loopback first:
 * nothing of it needs to touch a network, and it works while there is none.
 */
export function nearestFirst(addresses: readonly string[]): string[] {
  const parts = addresses.map(split)
  if (parts.every(({ host }) => host === '127.0.0.1' || host === '::1')) return [...addresses]
  const own = new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)))
  const near = parts.filter(({ host }) => own.has(host)).map(({ host, port }) => join(isIPv4(host) ? '127.0.0.1' : '::1', port))
  return [...new Set([...near, ...addresses])]
}

/** Bound addresses with wildcards replaced by the addresses of this machine; `[::]` takes IPv4 too. */
export function dialable(bound: readonly string[]): string[] {
  return bound.flatMap((address) => {
    const { host, port } = split(address)
    if (host === '0.0.0.0') return hosts((family) => family === 'IPv4').map((one) => join(one, port))
    if (host === '::') return hosts(() => true).map((one) => join(one, port))
    return [address]
  })
}

const notPublic = new BlockList()
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['224.0.0.0', 3],
] as const) {
  notPublic.addSubnet(net, bits, 'ipv4')
}
// RFC 4291 and RFC 4193: unspecified, loopback, unique local, link-local, multicast.
for (const [net, bits] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  notPublic.addSubnet(net, bits, 'ipv6')
}

/** Whether an address can be reached from everywhere. */
export function isPublic(address: string): boolean {
  const { host } = split(address)
  return !notPublic.check(host, isIPv4(host) ? 'ipv4' : 'ipv6')
}

/** The address without its IP addresses, or without its relays, or with public IP addresses only. */
export function narrow(addr: EndpointAddr, filter: 'relay' | 'ip' | 'public' | 'all'): EndpointAddr {
  const { id, addresses = [], relayUrl, relayUrls } = addr
  const relays = { ...(relayUrl !== undefined && { relayUrl }), ...(relayUrls && { relayUrls }) }
  switch (filter) {
    case 'all':
      return addr
    case 'relay':
      return { id, ...relays }
    case 'ip':
      return { id, addresses }
    case 'public':
      return { id, ...relays, addresses: addresses.filter(isPublic) }
  }
}
