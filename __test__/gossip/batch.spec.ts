import test from 'ava'
import { unpack } from '../../ts/gossip/batch.js'

const A = '11'.repeat(32)
const B = '22'.repeat(32)

test('a block with one of each kind is read as it was packed', (t) => {
  const words = (...numbers: number[]) => Buffer.from(Uint32Array.from(numbers).buffer)
  const block = Buffer.concat([
    words(2, 5),
    Buffer.from(A + B, 'hex'),
    words(0, 0, 0),
    words(2 | (7 << 16), 1, 3),
    words(3, 5, 2),
    words(2 | (1 << 8), 0, 2),
    words(1 | (2 << 8), 1, 0),
    Buffer.from('teaok'),
  ])
  // Not at the start of its memory, as in a slab.
  const slab = new Uint8Array(block.length + 8)
  slab.set(block, 8)
  const events = unpack(slab.subarray(8))
  t.deepEqual(events, [
    { type: 'neighborUp', endpointId: A },
    { type: 'received', content: Uint8Array.from(Buffer.from('tea')), from: B, scope: { kind: 'swarm', round: 7 } },
    { type: 'lagged', missed: 5 + 2 * 2 ** 32 },
    { type: 'received', content: Uint8Array.from(Buffer.from('ok')), from: A, scope: { kind: 'neighbors' } },
    { type: 'neighborDown', endpointId: B, reason: 'replaced' },
  ])
})

test('the largest round comes whole', (t) => {
  const words = Uint32Array.from([1, 1, ...Array(8).fill(0), (2 | (65_535 << 16)) >>> 0, 0, 0])
  const [event] = unpack(new Uint8Array(words.buffer))
  t.like(event, { scope: { kind: 'swarm', round: 65_535 } })
})
