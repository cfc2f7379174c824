import test from 'ava'
import { Listener, MAX_SKEW_MS, printable, sign } from '../../../ts/cli/gossip/message.js'
import { SecretKey } from '../../../ts/index.js'

const TOPIC = 'ab'.repeat(32)
const NOW = 1_800_000_000_000

test('what was signed is heard, once', (t) => {
  const key = SecretKey.generate()
  const listener = new Listener(TOPIC)
  const content = sign(key, TOPIC, 'tea', 'hello', NOW)
  t.deepEqual(listener.hear(content, NOW), { from: key.id, name: 'tea', at: NOW, text: 'hello' })
  t.is(listener.hear(content, NOW), 'repeated')
  t.like(listener.hear(sign(key, TOPIC, null, 'hello', NOW), NOW), { name: null, text: 'hello' })
})

test('every changed byte is noticed', (t) => {
  const content = sign(SecretKey.generate(), TOPIC, null, 'hi', NOW)
  for (let at = 0; at < content.length; at++) {
    const changed = Uint8Array.from(content)
    changed[at]! ^= 1
    t.true(typeof new Listener(TOPIC).hear(changed, NOW) === 'string', `byte ${at}`)
  }
})

test('what was said in another room, or long ago, is not heard', (t) => {
  const key = SecretKey.generate()
  t.is(new Listener('cd'.repeat(32)).hear(sign(key, TOPIC, null, 'hi', NOW), NOW), 'forged')
  const listener = new Listener(TOPIC)
  t.is(listener.hear(sign(key, TOPIC, null, 'hi', NOW - MAX_SKEW_MS - 1), NOW), 'late')
  t.is(listener.hear(sign(key, TOPIC, null, 'hi', NOW + MAX_SKEW_MS + 1), NOW), 'late')
  t.like(listener.hear(sign(key, TOPIC, null, 'hi', NOW - MAX_SKEW_MS), NOW), { text: 'hi' })
})

test('what is no message is malformed', (t) => {
  const listener = new Listener(TOPIC)
  const head = Buffer.alloc(96)
  for (const body of ['', 'x', '7', 'null', '{}', '{"at":1,"nonce":"00","text":""}', '{"at":1.5,"nonce":"0011223344556677","text":""}']) {
    t.is(listener.hear(Buffer.concat([head, Buffer.from(body)]), NOW), 'malformed', body)
  }
  t.is(listener.hear(Buffer.concat([head, Buffer.from([0xff])]), NOW), 'malformed')
  t.is(listener.hear(new Uint8Array(0), NOW), 'malformed')
  const long = sign(SecretKey.generate(), TOPIC, 'x'.repeat(33), 'hi', NOW)
  t.is(listener.hear(long, NOW), 'malformed')
})

test('what could move a cursor or turn the writing around is not printed', (t) => {
  t.is(printable('tea\x1b[2J\r\u202egnp.exe\u0085'), 'tea\ufffd[2J\ufffd\ufffdgnp.exe\ufffd')
  t.is(printable('茶 🍵 чай'), '茶 🍵 чай')
})
