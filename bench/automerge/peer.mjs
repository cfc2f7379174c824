/**
 * One process of a pair of repos, by gaiwan's adapter or by automerge-repo's WebSocket adapters: `serve WAY DOCUMENTS CHANGES` has the
 * documents and announces none, `fetch WAY ADDRESS ID URL…` finds them all at once when it is connected.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketClientAdapter, WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { WebSocketServer } from 'ws'
import { GaiwanNetworkAdapter, REPO_ALPN } from '../../dist/automerge/index.js'
import { Endpoint, Router } from '../../dist/index.js'
import { document } from './documents.mjs'

const [role, way, ...rest] = process.argv.slice(2)
if (role === 'serve') await serve(Number(rest[0]), Number(rest[1]))
else if (role === 'fetch') await fetch(rest[0], rest[1], rest.slice(2))
else throw new Error(`the role is serve or fetch, not ${role}`)

async function serve(documents, changes) {
  const { network, peerId, address } = await (way === 'gaiwan' ? gaiwanServer() : webSocketServer())
  const repo = new Repo({ network: [network], peerId, sharePolicy: async () => false })
  const urls = []
  for (let n = 0; n < documents; n++) urls.push(repo.import(document(changes, n)).url)
  print({ id: peerId, address, urls })
  process.stdin.resume()
  await once(process.stdin, 'end')
  print({ cpuSeconds: cpu() })
  process.exit()
}

async function fetch(address, id, urls) {
  const { network, peerId } = await (way === 'gaiwan' ? gaiwanClient({ id, addresses: [address] }) : webSocketClient(address))
  const met = new Promise((resolve) => network.once('peer-candidate', resolve))
  const repo = new Repo({ network: [network], peerId })
  await met
  const begun = performance.now()
  const handles = await Promise.all(urls.map((url) => repo.find(url)))
  const ms = performance.now() - begun
  const changes = handles.map((handle) => handle.metrics().numChanges)
  print({ ms, changes, cpuSeconds: cpu() })
  process.exit()
}

async function gaiwanServer() {
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0' })
  const network = new GaiwanNetworkAdapter({ endpoint })
  Router.builder(endpoint).accept(REPO_ALPN, network).spawn()
  return { network, peerId: endpoint.id, address: endpoint.boundAddresses[0] }
}

async function gaiwanClient(to) {
  const endpoint = await Endpoint.bind({ bind: '127.0.0.1:0' })
  return { network: new GaiwanNetworkAdapter({ endpoint, peers: [to] }), peerId: endpoint.id }
}

async function webSocketServer() {
  const server = createServer()
  const network = new WebSocketServerAdapter(new WebSocketServer({ server }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { network, peerId: 'server', address: `ws://127.0.0.1:${server.address().port}` }
}

function webSocketClient(address) {
  return { network: new WebSocketClientAdapter(address), peerId: 'client' }
}

function cpu() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
