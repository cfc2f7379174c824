// Repos and documents that meet on 127.0.0.1.
import { type AutomergeUrl, type DocHandle, type Message, type PeerId, Repo, type RepoConfig } from '@automerge/automerge-repo'
import type { ExecutionContext } from 'ava'
import { GaiwanNetworkAdapter, type GaiwanNetworkAdapterOptions, REPO_ALPN } from '../../ts/automerge/index.js'
import { type Dialable, type Endpoint, type EndpointOptions, Router } from '../../ts/index.js'
import { bind } from '../helpers/pair.js'

type Test = ExecutionContext<unknown>

export interface Desk {
  readonly endpoint: Endpoint
  readonly adapter: GaiwanNetworkAdapter
  readonly router: Router
  readonly repo: Repo
  /** What the adapter told the repo, in order: `+ id`, `- id`, and the types of messages. */
  readonly heard: string[]
}
export interface DeskOptions {
  readonly peers?: readonly Dialable[]
  readonly adapter?: Omit<GaiwanNetworkAdapterOptions, 'endpoint' | 'peers'>
  readonly endpoint?: EndpointOptions
  readonly repo?: Omit<RepoConfig, 'network' | 'peerId'>
}

/** An endpoint, a Router, an adapter and a repo; all is shut down when the test ends. */
export async function desk(t: Test, options: DeskOptions = {}): Promise<Desk> {
  const endpoint = await bind(t, { closeTimeoutMs: 200, ...options.endpoint })
  // A `find` that does not wait for a slow dial would call a document unavailable.
  const adapter = new GaiwanNetworkAdapter({ endpoint, peers: options.peers ?? [], readyTimeoutMs: 60_000, ...options.adapter })
  const heard = listen(adapter)
  const router = Router.builder(endpoint).accept(REPO_ALPN, adapter).spawn()
  const repo = new Repo({ peerId: endpoint.id as PeerId, network: [adapter], ...options.repo })
  t.teardown(async () => {
    await repo.shutdown()
    await router.shutdown()
  })
  return { endpoint, adapter, router, repo, heard }
}

export function listen(adapter: GaiwanNetworkAdapter): string[] {
  const heard: string[] = []
  adapter.on('peer-candidate', ({ peerId }) => heard.push(`+ ${peerId}`))
  adapter.on('peer-disconnected', ({ peerId }) => heard.push(`- ${peerId}`))
  adapter.on('message', ({ type }) => heard.push(type))
  return heard
}

/** Comings and goings alone. */
export function moves({ heard }: { readonly heard: readonly string[] }): string[] {
  return heard.filter((line) => /^[+-] /.test(line))
}

/** Two desks; the second dials the first. Resolves when both know each other. */
export async function desks(t: Test, first: DeskOptions = {}, second: DeskOptions = {}): Promise<readonly [Desk, Desk]> {
  const a = await desk(t, first)
  const b = await desk(t, { ...second, peers: [a.endpoint.addr] })
  await Promise.all([met(a, b), met(b, a)])
  return [a, b]
}

/** Waits until one is the other's candidate. */
export async function met(here: Desk, there: { readonly endpoint: Endpoint }): Promise<void> {
  const { id } = there.endpoint
  while (moves(here).findLast((line) => line.endsWith(id)) !== `+ ${id}`) await next(here.adapter, 'peer-candidate')
}

/** Waits until one has lost the other. */
export async function parted(here: Desk, there: { readonly endpoint: Endpoint }): Promise<void> {
  const { id } = there.endpoint
  while (moves(here).findLast((line) => line.endsWith(id)) !== `- ${id}`) await next(here.adapter, 'peer-disconnected')
}

/** The next event of an adapter. */
export function next(adapter: GaiwanNetworkAdapter, event: 'peer-candidate' | 'peer-disconnected' | 'message'): Promise<unknown> {
  return new Promise((resolve) => adapter.once(event, resolve))
}

/** Waits for a message that fits. */
export function message(adapter: GaiwanNetworkAdapter, fits: (message: Message) => boolean): Promise<Message> {
  return new Promise((resolve) => {
    const listener = (one: Message) => {
      if (!fits(one)) return
      adapter.off('message', listener)
      resolve(one)
    }
    adapter.on('message', listener)
  })
}

/** Waits until a document is as it should be. */
export function until<T>(handle: DocHandle<T>, holds: (doc: T) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!holds(handle.doc())) return
      handle.off('change', look)
      resolve()
    }
    handle.on('change', look)
    look()
  })
}

/** Finds a document and waits until it is as it should be. */
export async function find<T>({ repo }: Desk, url: AutomergeUrl, holds: (doc: T) => boolean): Promise<DocHandle<T>> {
  const handle = await repo.find<T>(url)
  await until(handle, holds)
  return handle
}
