// Brings a repo of ours and a samod repo in the peer process together, whoever dials.
import { type AutomergeUrl, type DocHandle, type DocumentId, stringifyAutomergeUrl } from '@automerge/automerge-repo'
import type { ExecutionContext } from 'ava'
import type { SecretKey } from '../../ts/index.js'
import { type Desk, type DeskOptions, desk, next } from '../automerge/network.js'
import { type PeerDocument, PeerRepo, type RepoOptions } from './automerge-peer.js'
import type { Dialer } from './meeting.js'
import { Peer } from './peer.js'

type Test = ExecutionContext<unknown>

/** The content of the tests' documents. */
export type Notes = Record<string, unknown>

export interface RepoMeeting {
  readonly peer: Peer
  readonly ours: Desk
  readonly theirs: PeerRepo
}

/** Both have a finished handshake with each other. */
export async function meetRepos(
  t: Test,
  dialer: Dialer,
  options: RepoOptions = {},
  mine: Omit<DeskOptions, 'peers'> = {},
): Promise<RepoMeeting> {
  const peer = await Peer.start(t)
  const theirs = await PeerRepo.start(peer, options)
  const ours = await desk(t, dialer === 'gaiwan' ? { ...mine, peers: [theirs.addr] } : mine)
  if (dialer === 'iroh') await theirs.dial(ours.endpoint.addr)
  await Promise.all([theirs.connected(ours.endpoint.id), candidate(ours, options.peerId ?? theirs.id)])
  return { peer, ours, theirs }
}

/** Waits until a peer id is ours to talk to; `count` says the how manieth time. */
export async function candidate({ heard, adapter }: Desk, peerId: string, count = 1): Promise<void> {
  while (heard.filter((line) => line === `+ ${peerId}`).length < count) await next(adapter, 'peer-candidate')
}

/** Waits until a peer id is lost for the `count`th time. */
export async function lost({ heard, adapter }: Desk, peerId: string, count = 1): Promise<void> {
  while (heard.filter((line) => line === `- ${peerId}`).length < count) await next(adapter, 'peer-disconnected')
}

/** Sets keys in one change. */
export function put(handle: DocHandle<Notes>, entries: Notes): void {
  handle.change((doc) => {
    Object.assign(doc, entries)
  })
}

/** What automerge-repo calls a document of samod. */
export function url({ id }: PeerDocument): AutomergeUrl {
  return stringifyAutomergeUrl(id as DocumentId)
}

export function hex(key: SecretKey): string {
  return Buffer.from(key.toBytes()).toString('hex')
}

/** Options of a desk that dials again soon, and notes a dead peer within seconds, but not one that falters. */
export const QUICK = {
  adapter: { retry: { initialMs: 100, maxMs: 1_000 } },
  endpoint: { transport: { idleTimeoutMs: 10_000, keepAliveMs: 1_000 } },
}
