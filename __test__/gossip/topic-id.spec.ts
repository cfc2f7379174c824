import test from 'ava'
import { hash } from '../../ts/blobs/index.js'
import { topicId } from '../../ts/gossip/index.js'

const ID = 'ab'.repeat(32)

test('an id stands for itself, as text and as bytes', (t) => {
  t.is(topicId(ID), ID)
  t.is(topicId(Buffer.from(ID, 'hex')), ID)
  t.is(topicId(Uint8Array.from(Buffer.from(ID, 'hex'))), ID)
})

test('any other text stands for its BLAKE3', (t) => {
  for (const text of ['', 'tea house', ID.toUpperCase(), `${ID}0`, ID.slice(1), 'g'.repeat(64)]) t.is(topicId(text), hash(text))
})

test('what is neither text nor 32 bytes is a TypeError that names it', (t) => {
  for (const wrong of [new Uint8Array(31), new Uint8Array(33), 7, null, undefined, {}]) {
    t.throws(() => topicId(wrong as never), { instanceOf: TypeError, message: /^topic: / })
  }
})
