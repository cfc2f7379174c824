// Events of one crossing, as `crates/node/src/gossip/batch.rs` packs them.
import type { EndpointId } from '../endpoint/key.js'
import { type Bytes, hex } from '../wire/bytes.js'
import type { DeliveryScope, GossipEvent, NeighborDownReason } from './event.js'

const UP = 0
const DOWN = 1
const RECEIVED = 2
const ID_BYTES = 32
const ID_WORDS = ID_BYTES / 4
/** Words of one event. */
const ROW = 3
const TO_NEIGHBORS = 1
const REASONS: readonly NeighborDownReason[] = ['left', 'evicted', 'replaced', 'lost']
const NEIGHBORS: DeliveryScope = Object.freeze({ kind: 'neighbors' })

/** The events of a block. Contents are views of it: it is never used again. */
export function unpack(block: Bytes): GossipEvent[] {
  const { buffer, byteOffset, length } = block
  const words = new Uint32Array(buffer, byteOffset, length >>> 2)
  const ids: EndpointId[] = []
  const count = words[1] as number
  for (let n = 0; n < (words[0] as number); n++) {
    const start = 8 + n * ID_BYTES
    ids.push(hex(block.subarray(start, start + ID_BYTES)))
  }
  const events: GossipEvent[] = []
  let row = 2 + ids.length * ID_WORDS
  let at = byteOffset + (row + count * ROW) * 4
  for (let n = 0; n < count; n++, row += ROW) {
    const head = words[row] as number
    const [second, third] = [words[row + 1] as number, words[row + 2] as number]
    switch (head & 0xff) {
      case UP:
        events.push({ type: 'neighborUp', endpointId: ids[second] as EndpointId })
        break
      case DOWN:
        events.push({ type: 'neighborDown', endpointId: ids[second] as EndpointId, reason: REASONS[head >>> 8] as NeighborDownReason })
        break
      case RECEIVED: {
        const scope: DeliveryScope = ((head >>> 8) & 0xff) === TO_NEIGHBORS ? NEIGHBORS : { kind: 'swarm', round: head >>> 16 }
        events.push({ type: 'received', content: new Uint8Array(buffer, at, third), from: ids[second] as EndpointId, scope })
        at += third
        break
      }
      default:
        events.push({ type: 'lagged', missed: second + third * 2 ** 32 })
    }
  }
  return events
}
