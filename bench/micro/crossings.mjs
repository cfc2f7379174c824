/** What does a single crossing cost? Times calls of the native bridge on one connection inside one process. */
import { native, rawPair } from './raw.mjs'

const LOOPS = 5

const rows = []

/** Nanoseconds of one of `count` steps: the median of some loops. */
async function time(name, count, loop) {
  const each = []
  for (let i = 0; i < LOOPS; i++) {
    const begun = process.hrtime.bigint()
    await loop(count)
    each.push(Number(process.hrtime.bigint() - begun) / count)
  }
  rows.push({ operation: name, nanoseconds: Math.round(each.sort((a, b) => a - b)[LOOPS >> 1]) })
}

/** Calls `step` `count` times without a wait. */
const plainly = (step) => (count) => {
  for (let i = 0; i < count; i++) step()
}

// The process must live while nothing but the bridge works; the facade holds such a timer too.
const alive = setInterval(() => {}, 1 << 30)
const pair = await rawPair()
const { raw, bridge, dialed, accepted, send } = pair

const slab = new Uint8Array(8_192)
const id = native.NativeSecretKey.generate().id
await time(
  'plain call (cancel of an unknown id)',
  1e5,
  plainly(() => bridge.cancel(0xffff_fffe)),
)
await time(
  'plain call with a handle (rttMs)',
  1e5,
  plainly(() => bridge.rttMs(dialed)),
)
await time(
  'drain with nothing there',
  1e5,
  plainly(() => bridge.drain(slab, 0)),
)
await time(
  'submit of an empty block',
  1e5,
  plainly(() => bridge.submit(slab, 0)),
)
await time(
  'text in, text out (parseEndpointId)',
  1e4,
  plainly(() => native.parseEndpointId(id)),
)

// The receiving half: the peer sees the stream with its first bytes.
const receiving = new Promise((resolve, reject) => {
  const sub = 0x4000_0000
  const settled = raw.subscribe(sub, ({ aux }) => resolve(aux))
  settled.catch(reject)
  bridge.acceptStreams(accepted, sub, false)
})
bridge.push(send, new Uint8Array(1))
const recv = await receiving

/** Reads on until `total` bytes came; nanoseconds spent inside the reads that gave bytes, and their number. */
async function drainReads(total) {
  const target = new Uint8Array(64 * 1024)
  let left = total
  let reads = 0
  let inside = 0n
  while (left > 0) {
    let read = 0
    const woken = raw.call((_, call) => {
      const begun = process.hrtime.bigint()
      read = bridge.readInto(recv, target, call)
      if (read > 0) inside += process.hrtime.bigint() - begun
      if (read >= 0) raw.forget(call)
    })
    if (read > 0) {
      reads++
      left -= read
    } else if (read === 0) throw new Error('the stream ended early')
    else await woken
  }
  return { reads, inside: Number(inside) }
}
await drainReads(1)

for (const size of [100, 1_400, 65_536]) {
  const block = new Uint8Array(size)
  const each = []
  let reading = { reads: 0, inside: 0, bytes: 0 }
  for (let loop = 0; loop < 50; loop++) {
    const count = Math.max(1, Math.floor((448 * 1024) / size))
    const begun = process.hrtime.bigint()
    for (let i = 0; i < count; i++) bridge.push(send, block)
    each.push(Number(process.hrtime.bigint() - begun) / count)
    const { reads, inside } = await drainReads(count * size)
    reading = { reads: reading.reads + reads, inside: reading.inside + inside, bytes: reading.bytes + count * size }
  }
  const middle = each.sort((a, b) => a - b)[each.length >> 1]
  rows.push({ operation: `push of ${size} B, copy included`, nanoseconds: Math.round(middle) })
  if (size === 65_536) {
    const { reads, inside, bytes } = reading
    const mean = Math.round(bytes / reads / 1024)
    rows.push({ operation: `readInto, ${mean} KiB on average, copy included`, nanoseconds: Math.round(inside / reads) })
  }
}

/** The completion queue alone: `waitDrained` of an empty queue answers at once. */
const question = () => raw.call((_, call) => bridge.waitDrained(call, send))
await time('completion queue, one by one', 5_000, async (count) => {
  for (let i = 0; i < count; i++) await question()
})
for (const inFlight of [64, 1_000]) {
  await time(`completion queue, ${inFlight} in flight`, 50_000, async (count) => {
    const lane = async () => {
      for (let i = 0; i < count / inFlight; i++) await question()
    }
    await Promise.all(Array.from({ length: inFlight }, lane))
  })
}

await pair.close()
clearInterval(alive)
console.table(rows)
