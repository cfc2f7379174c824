// The messages of repo sessions: automerge-repo 2.5.6 `src/network/messages.ts` and its WebSocket package, samod `wire_protocol.rs`.
import type { Message, PeerId, PeerMetadata, RepoMessage } from '@automerge/automerge-repo/slim'
import { GaiwanError } from '../errors.js'
import type { Bytes } from '../wire/bytes.js'
import { type Cbor, decodeCbor, encodeCborFrame } from './cbor.js'
import { VERSION } from './protocol.js'

/** A map from the wire, not looked at yet. */
export type Raw = { readonly [key: string]: Cbor }

/** What join and peer say. */
export interface Hello {
  readonly peerId: PeerId
  readonly peerMetadata: PeerMetadata
}

/** First frame of the dialer. samod 0.5.1 reads the metadata under its own key. */
export function joinFrame({ peerId, peerMetadata }: Hello): Bytes {
  const metadata = metadataOut(peerMetadata)
  return encodeCborFrame({
    type: 'join',
    senderId: peerId,
    supportedProtocolVersions: [VERSION],
    peerMetadata: metadata,
    metadata,
  })
}

/** First frame of the acceptor. */
export function peerFrame({ peerId, peerMetadata }: Hello, targetId: PeerId): Bytes {
  const metadata = metadataOut(peerMetadata)
  return encodeCborFrame({
    type: 'peer',
    senderId: peerId,
    targetId,
    selectedProtocolVersion: VERSION,
    peerMetadata: metadata,
    metadata,
  })
}

/** Last frame of a session that a peer has broken. */
export function errorFrame(senderId: PeerId, targetId: PeerId | undefined, message: string): Bytes {
  return encodeCborFrame({ type: 'error', message, senderId, targetId })
}

/** A message of the repo; `remove` is always there, since samod 0.5.1 cannot do without. */
export function messageFrame(message: Message): Bytes {
  const whole = message as unknown as Raw
  return encodeCborFrame(message.type === 'remote-subscription-change' ? { ...whole, remove: whole['remove'] ?? [] } : whole)
}

const REPO_TYPES = ['sync', 'request', 'ephemeral', 'doc-unavailable', 'remote-subscription-change', 'remote-heads-changed']

/** Whether the repo at the other end knows this type. */
export function isRepoType(type: string): boolean {
  return REPO_TYPES.includes(type)
}

/** The map of a frame. Codes: PROTOCOL_VIOLATION. */
export function readFrame(frame: Bytes): Raw & { readonly type: string } {
  if (frame.length === 0) throw wrong('a frame without bytes')
  const value = decodeCbor(frame)
  if (!isMap(value) || typeof value['type'] !== 'string') throw wrong('a frame that is no map with a type')
  return value as Raw & { readonly type: string }
}

/** What join says. Codes: PROTOCOL_VIOLATION. */
export function readJoin(raw: Raw): Hello {
  const versions = raw['supportedProtocolVersions']
  // The WebSocket package takes a join without versions for one of version 1.
  if (versions !== undefined && !(Array.isArray(versions) && versions.includes(VERSION))) {
    throw wrong('unsupported protocol version')
  }
  return hello(raw)
}

/** What peer says to `self`. Codes: PROTOCOL_VIOLATION. */
export function readPeer(raw: Raw, self: PeerId): Hello {
  if (raw['selectedProtocolVersion'] !== VERSION) throw wrong('unsupported protocol version')
  if (raw['targetId'] !== self) throw wrong('a peer message for somebody else')
  return hello(raw)
}

/** A message with all that its type must have, as the repo takes it. Codes: PROTOCOL_VIOLATION. */
export function readMessage(raw: Raw & { readonly type: string }): RepoMessage {
  const { type } = raw
  need(typeof raw['senderId'] === 'string' && typeof raw['targetId'] === 'string', type)
  if (type !== 'remote-subscription-change') need(typeof raw['documentId'] === 'string', type)
  switch (type) {
    case 'sync':
    case 'request':
      need(isData(raw['data']), type)
      break
    case 'ephemeral':
      need(isData(raw['data']) && typeof raw['count'] === 'number' && typeof raw['sessionId'] === 'string', type)
      break
    case 'remote-subscription-change':
      need(isTexts(raw['add'] ?? []) && isTexts(raw['remove'] ?? []), type)
      break
    case 'remote-heads-changed':
      need(isHeads(raw['newHeads']), type)
      break
  }
  return raw as unknown as RepoMessage
}

function hello(raw: Raw): Hello {
  const { senderId, peerMetadata, metadata } = raw
  if (typeof senderId !== 'string' || senderId === '') throw wrong('a handshake without senderId')
  const { storageId, isEphemeral } = metadataIn(peerMetadata ?? metadata ?? {})
  return {
    peerId: senderId as PeerId,
    peerMetadata: {
      ...(typeof storageId === 'string' && { storageId: storageId as NonNullable<PeerMetadata['storageId']> }),
      ...(typeof isEphemeral === 'boolean' && { isEphemeral }),
    },
  }
}

function metadataIn(value: Cbor): Raw {
  return isMap(value) ? value : {}
}

function metadataOut({ storageId, isEphemeral }: PeerMetadata): Raw {
  return { storageId, isEphemeral: isEphemeral ?? storageId === undefined }
}

function isMap(value: Cbor): value is Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function isData(value: Cbor): boolean {
  return value instanceof Uint8Array && value.length > 0
}

function isTexts(value: Cbor): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function isHeads(value: Cbor): boolean {
  return (
    isMap(value) && Object.values(value).every((one) => isMap(one) && isTexts(one['heads'] as Cbor) && typeof one['timestamp'] === 'number')
  )
}

function need(holds: boolean, type: string): void {
  if (!holds) throw wrong(`a ${type} message that lacks something`)
}

function wrong(what: string): GaiwanError {
  return new GaiwanError('PROTOCOL_VIOLATION', what)
}
