// Which messages of one peer the repo may see.
import { isValidDocumentId, type DocumentId, type PeerId, type RepoMessage } from '@automerge/automerge-repo/slim'
import { decodeSyncMessage } from '@automerge/automerge/slim'
import { GaiwanError } from '../errors.js'
import { isRepoType, type Raw, readMessage } from './messages.js'
import type { SessionLimits } from './protocol.js'

/** Of a longer sync message only the first byte is looked at here: the repo decodes it anyway, and twice would take long. */
const LOOK_BYTES = 256 * 1024
/** Kinds of sync messages: automerge's `sync.rs`. */
const SYNC_TYPES = [0x42, 0x43]

/** Looks at what comes from one peer, counts what is wrong, and ends the session when it is too much. */
export class Guard {
  readonly #self: PeerId
  readonly #peer: PeerId
  readonly #limits: SessionLimits
  /** Whether the repo has the document, as far as it has spoken of it to anybody. */
  readonly #isOurs: (documentId: string) => boolean
  readonly #documents = new Set<string>()
  #stray = 0
  #bad = 0
  /** Documents that may be brought up now, and when that was counted. */
  #credit: number
  #countedAt = performance.now()
  #waitMs = 0

  constructor(self: PeerId, peer: PeerId, limits: SessionLimits, isOurs: (documentId: string) => boolean) {
    this.#self = self
    this.#peer = peer
    this.#limits = limits
    this.#isOurs = isOurs
    this.#credit = limits.documentsPerSecond
  }

  /** What was discarded so far. */
  get discarded(): number {
    return this.#stray + this.#bad
  }

  /** The message for the repo, or null: discarded. Codes: PROTOCOL_VIOLATION, which ends the session. */
  check(raw: Raw & { readonly type: string }): RepoMessage | null {
    if (!isRepoType(raw.type)) return this.#discard(`a message of the unknown type ${JSON.stringify(raw.type.slice(0, 32))}`)
    const message = readMessage(raw)
    if (message.targetId !== this.#self) return this.#discard('a message for somebody else')
    // Ephemeral messages have the id of their author, who may be further away.
    if (message.type !== 'ephemeral' && message.senderId !== this.#peer) return this.#discard('a message of somebody else')
    if (message.type === 'remote-subscription-change') return message
    // The repo has nowhere to put heads of a document that it does not have, and fails where nobody would catch it.
    if (message.type === 'remote-heads-changed') return this.#isOurs(message.documentId) ? message : null
    if (!this.#documents.has(message.documentId) && !this.#isNew(message.documentId)) return null
    if ((message.type === 'sync' || message.type === 'request') && !isSync(message.data)) return this.#undecodable()
    return message
  }

  /** How long to hold back the message that was checked last: 0, unless it brought up a document too soon. */
  takeWaitMs(): number {
    const ms = this.#waitMs
    this.#waitMs = 0
    return ms
  }

  /** Whether a document that the peer brings up is one; then it counts. */
  #isNew(documentId: DocumentId): boolean {
    if (!isValidDocumentId(documentId)) {
      this.#discard('a documentId that is none')
      return false
    }
    if (this.#documents.size >= this.#limits.maxDocuments) {
      throw new GaiwanError('PROTOCOL_VIOLATION', `the peer spoke of more than ${this.#limits.maxDocuments} documents`)
    }
    this.#documents.add(documentId)
    // An answer is no news.
    if (this.#isOurs(documentId)) return true
    const now = performance.now()
    const { documentsPerSecond } = this.#limits
    this.#credit = Math.min(documentsPerSecond, this.#credit + ((now - this.#countedAt) * documentsPerSecond) / 1_000) - 1
    this.#countedAt = now
    if (this.#credit < 0) this.#waitMs = (-this.#credit / documentsPerSecond) * 1_000
    return true
  }

  #discard(what: string): null {
    if (++this.#stray >= this.#limits.maxStrayFrames) {
      throw new GaiwanError('PROTOCOL_VIOLATION', `${this.#stray} messages that do not belong here, the last ${what}`)
    }
    return null
  }

  #undecodable(): null {
    if (++this.#bad >= this.#limits.maxBadMessages) {
      throw new GaiwanError('PROTOCOL_VIOLATION', `${this.#bad} sync messages that do not decode`)
    }
    return null
  }
}

function isSync(data: Uint8Array): boolean {
  if (data.length > LOOK_BYTES) return SYNC_TYPES.includes(data[0] as number)
  try {
    decodeSyncMessage(data)
    return true
  } catch {
    return false
  }
}
