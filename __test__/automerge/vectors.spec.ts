// Frames captured from automerge-rs, samod and automerge-repo.
import { readFileSync } from 'node:fs'
import * as Automerge from '@automerge/automerge'
import type { PeerId } from '@automerge/automerge-repo'
import test from 'ava'
import { decodeCbor, encodeCborFrame } from '../../ts/automerge/cbor.js'
import { AutomergeSync, DOCUMENT_ALPN, encodeFrame, FrameReader, REPO_ALPN } from '../../ts/automerge/index.js'
import { joinFrame, messageFrame, peerFrame, readFrame, readJoin, readMessage, readPeer } from '../../ts/automerge/messages.js'
import { Router } from '../../ts/index.js'
import { hex, utf8 } from '../../ts/wire/bytes.js'
import { bind } from '../helpers/pair.js'
import { acceptDocument, dialDocument } from './scripted.js'

interface Turn {
  readonly from: 'js' | 'rust'
  readonly bytes: string
}
interface Vectors {
  alpn: Record<'document_sync' | 'repo', { text: string; hex: string }>
  document_sync: { examples: { message?: string; bytes: string }[]; sessions: { case: string; turns: Turn[] }[] }
  repo: { frames: { name: string; from: 'js' | 'rust'; frame: string }[]; samod_0_5_1_reactions: { input: string; reaction: string }[] }
}
const vectors = JSON.parse(readFileSync(new URL('../../vectors/automerge.json', import.meta.url), 'utf8')) as Vectors
const bytes = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))
const payload = (frame: string) => bytes(frame).subarray(8)

test('the ALPNs', (t) => {
  const { document_sync, repo } = vectors.alpn
  t.is(DOCUMENT_ALPN, document_sync.text)
  t.is(hex(utf8(DOCUMENT_ALPN)), document_sync.hex)
  t.is(REPO_ALPN, repo.text)
  t.is(hex(utf8(REPO_ALPN)), repo.hex)
})

test('frames of document sync', (t) => {
  t.is(vectors.document_sync.examples.length, 2)
  for (const { message = '', bytes: frame } of vectors.document_sync.examples) {
    t.is(hex(encodeFrame(bytes(message), 'u64le')), frame)
    t.deepEqual(new FrameReader('u64le', 100).push(bytes(frame)).map(hex), [message])
  }
})

/** The document that the JavaScript side had: its own frames carry it. */
function documentOf(turns: readonly Turn[]): Automerge.Doc<unknown> {
  let doc = Automerge.init<unknown>()
  let state = Automerge.initSyncState()
  for (const { from, bytes: frame } of turns) {
    if (from === 'js' && payload(frame).length > 0) [doc, state] = Automerge.receiveSyncMessage(doc, state, payload(frame))
  }
  return doc
}

/** What a recorded session leaves: all changes of both. */
function outcome(turns: readonly Turn[]): string[] {
  const ours = documentOf(turns)
  const theirs = documentOf(turns.map(({ from, bytes: frame }) => ({ from: from === 'js' ? 'rust' : 'js', bytes: frame })))
  return Automerge.getHeads(Automerge.merge(Automerge.clone(ours), theirs)).sort()
}

for (const { case: name, turns } of vectors.document_sync.sessions) {
  test(`a recorded session takes the same turns: ${name}`, async (t) => {
    let doc = documentOf(turns)
    const sync = new AutomergeSync<unknown>({
      get: () => doc,
      set: (next) => {
        doc = next
      },
    })
    const kind = (message: Uint8Array | null) => (message?.length ? (message[0] as number).toString(16) : `${message?.length}`)
    const expected = turns.filter(({ from }) => from === 'js').map(({ bytes: frame }) => kind(payload(frame)))
    const spoken: string[] = []
    if (turns[0]?.from === 'js') {
      const { endpoint, scripted } = await acceptDocument(t)
      const done = sync.sync({ endpoint: await bind(t), to: endpoint.addr })
      const rust = await scripted
      for (const { from, bytes: frame } of turns) {
        if (from === 'js') spoken.push(kind(await rust.next()))
        else await rust.raw(bytes(frame))
      }
      await done
      const { by, code, reason } = await rust.connection.closed
      t.deepEqual([by, code, reason], ['remote', 0n, 'thanks, bye!'])
    } else {
      const server = await bind(t)
      Router.builder(server).accept(DOCUMENT_ALPN, sync).spawn()
      const synced = new Promise((resolve) => sync.on('synced', resolve))
      const rust = await dialDocument(t, server.addr)
      for (const { from, bytes: frame } of turns) {
        if (from === 'js') spoken.push(kind(await rust.next()))
        else await rust.raw(bytes(frame))
      }
      rust.connection.close(0, 'thanks, bye!')
      await synced
    }
    t.deepEqual(spoken, expected)
    t.deepEqual(Automerge.getHeads(doc).sort(), outcome(turns))
  })
}

test('frames of repo sessions are read, and say the same when we write them', (t) => {
  t.is(vectors.repo.frames.length, 8)
  for (const { name, frame } of vectors.repo.frames) {
    const [body] = new FrameReader('u32be', 8 * 1024 * 1024).push(bytes(frame))
    const raw = readFrame(body!)
    switch (raw.type) {
      case 'join':
        t.truthy(readJoin(raw).peerId, name)
        break
      case 'peer':
        t.truthy(readPeer(raw, raw['targetId'] as PeerId).peerId, name)
        break
      default:
        t.is(readMessage(raw).type, raw.type as never, name)
    }
    const compact = JSON.parse(JSON.stringify(raw, (_, value) => (value instanceof Uint8Array ? hex(value) : value)))
    const again = decodeCbor(encodeCborFrame(raw).subarray(4))
    t.deepEqual(JSON.parse(JSON.stringify(again, (_, value) => (value instanceof Uint8Array ? hex(value) : value))), compact, name)
  }
})

test('metadata is found under both keys', (t) => {
  const frames = vectors.repo.frames.map(({ name, frame }) => [name, readFrame(bytes(frame).subarray(4))] as const)
  const metadata = frames.flatMap(([name, raw]) => {
    if (raw.type === 'join') return [[name, readJoin(raw).peerMetadata] as const]
    return raw.type === 'peer' ? [[name, readPeer(raw, raw['targetId'] as PeerId).peerMetadata] as const] : []
  })
  t.deepEqual(metadata, [
    ['samod 0.5.1 session, join', { isEphemeral: true }],
    ['samod 0.5.1 session, peer', { isEphemeral: false }],
    ['samod 0.5.1 dials, join', { isEphemeral: false }],
    ['samod 0.5.1 dials, peer', { isEphemeral: true }],
    ['samod 0.16 session, peer', { storageId: '7686c432-4bbb-4dd1-943c-5fa40b7a29c7', isEphemeral: false } as never],
  ])
  const hello = { peerId: 'me' as PeerId, peerMetadata: { isEphemeral: true } }
  for (const frame of [joinFrame(hello), peerFrame(hello, 'you' as PeerId)]) {
    const raw = readFrame(frame.subarray(4))
    t.deepEqual(raw['peerMetadata'], { isEphemeral: true })
    t.deepEqual(raw['metadata'], { isEphemeral: true })
  }
})

test('what samod 0.5.1 closes a session for is never sent', (t) => {
  const closes = vectors.repo.samod_0_5_1_reactions.filter(({ reaction }) => reaction === 'closes').map(({ input }) => input)
  const to = { senderId: 'me' as PeerId, targetId: 'you' as PeerId }
  const head = { documentId: '2bborfjCWzTy8z4RvWeZLQw1jkkW' as never, ...to }
  const wire = (message: object) => hex(messageFrame(message as never))
  const never: Record<string, () => void> = {
    'remote-subscription-change with remove = undefined (f7)': () => {
      for (const remove of [{ remove: undefined }, {}]) {
        const said = wire({ type: 'remote-subscription-change', add: undefined, ...remove, ...to })
        t.true(said.includes(`${hex(utf8('remove'))}80`))
        t.false(said.includes(hex(utf8('add'))))
      }
    },
    'ephemeral with count as float64': () => {
      const said = wire({ type: 'ephemeral', count: 2 ** 40, sessionId: 's', data: bytes('01'), ...head })
      t.true(said.includes(`${hex(utf8('count'))}1b0000010000000000`))
    },
    'remote-heads-changed with float64 timestamp': () => {
      const said = wire({ type: 'remote-heads-changed', newHeads: { s: { heads: [], timestamp: 1_764_000_000_000 } }, ...head })
      t.regex(said, /74696d657374616d701b[0-9a-f]{16}/)
    },
    // The adapter sends the types of the repo alone, documents of the repo, and no frame above `maxSendBytes`: adapter.spec.ts, large.spec.ts.
    'unknown type': () => t.throws(() => readFrame(bytes('a0'))),
    'documentId that is not base58check': () => t.regex(head.documentId, /^[1-9A-HJ-NP-Za-km-z]+$/),
    'zero-length frame': () => t.throws(() => readFrame(bytes(''))),
    'frame length 8388609': () => t.throws(() => new FrameReader('u32be', 8_388_608).push(bytes('00800001')), { code: 'FRAME_TOO_LARGE' }),
  }
  t.deepEqual(Object.keys(never).sort(), [...closes].sort())
  for (const check of Object.values(never)) check()
})
