// Names of topics.
import { native } from '../native.js'
import { hex, utf8 } from '../wire/bytes.js'
import { isBytes } from '../wire/check.js'

/** 32 bytes as 64 lowercase hex digits. Whoever knows it can listen and speak. */
export type TopicId = string

const ID_BYTES = 32
const HEX = /^[0-9a-f]{64}$/

/** The id that `subscribe` uses: an id stands for itself, as do its 32 bytes; any other text stands for its BLAKE3. */
export function topicId(topic: TopicId | string | Uint8Array): TopicId {
  if (typeof topic === 'string') return HEX.test(topic) ? topic : native.hashBytes(utf8(topic))
  if (isBytes(topic) && topic.length === ID_BYTES) return hex(topic)
  throw new TypeError('topic: expected a text or 32 bytes')
}
