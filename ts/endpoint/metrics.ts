// Metrics as Prometheus text.

/** Values that go down again. */
const GAUGES = new Set(['quic_handshakes_unfinished', 'quic_connections_open', 'bridge_handles', 'address_lookup_services'])

const HELP: Readonly<Record<string, string>> = {
  socket_send_ipv4: 'Bytes sent over IPv4.',
  socket_send_ipv6: 'Bytes sent over IPv6.',
  socket_recv_data_ipv4: 'Bytes received over IPv4.',
  socket_recv_data_ipv6: 'Bytes received over IPv6.',
  socket_recv_datagrams: 'UDP datagrams received.',
  socket_recv_gro_datagrams: 'Batches of datagrams that the kernel joined.',
  socket_num_conns_opened: 'Connections whose handshake was completed.',
  socket_num_conns_closed: 'Connections that ended.',
  socket_num_conns_direct: 'Connections that became direct.',
  quic_handshake_timeouts: 'Handshakes that took too long.',
  quic_handshakes_unfinished: 'Handshakes under way.',
  quic_connections_open: 'Open connections.',
  quic_early_accepted: 'Dials whose early data was accepted.',
  quic_early_rejected: 'Dials whose early data was rejected.',
  quic_queue_full_refusals: 'Attempts refused because nobody took those before.',
  quic_limit_refusals: 'Attempts refused because of maxConnections.',
  quic_retries: 'Attempts that were told to prove their address.',
  quic_accepted_handshakes: 'Attempts that were accepted.',
  quic_outgoing_handshakes: 'Attempts that were dialed.',
  quic_refused_handshakes: 'Attempts that were refused.',
  quic_ignored_handshakes: 'Attempts that were ignored.',
  bridge_handles: 'Native objects that JavaScript holds.',
  address_lookup_lookups: 'Ids that were looked up.',
  address_lookup_lookups_failed: 'Ids for which every lookup failed.',
  address_lookup_services: 'Lookups in use.',
}

/** The text format of Prometheus, version 0.0.4. */
export function prometheus(metrics: Readonly<Record<string, number>>): string {
  const lines: string[] = []
  for (const [name, value] of Object.entries(metrics)) {
    const full = `gaiwan_${name}`
    lines.push(`# HELP ${full} ${HELP[name] ?? name.replaceAll('_', ' ')}`)
    lines.push(`# TYPE ${full} ${GAUGES.has(name) ? 'gauge' : 'counter'}`)
    lines.push(`${full} ${value}`)
  }
  return `${lines.join('\n')}\n`
}
