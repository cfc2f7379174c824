import test from 'ava'
import { runChild } from '../helpers/child.js'

const PRELUDE = `
const { Endpoint, Router } = gaiwan
const bind = (options) => Endpoint.bind({ bind: '127.0.0.1:0', closeTimeoutMs: 500, ...options })
const server = await bind({ alpns: ['a'] })
const client = await bind()
const dial = async () => {
  const dialing = client.connect(server.addr, 'a')
  return { server: await (await server.accept()).accept(), client: await dialing }
}
const rss = () => process.memoryUsage().rss / 2 ** 20
const turn = () => new Promise((resolve) => setImmediate(resolve))
`

test('a million small writes leave memory flat', async (t) => {
  const { status, stdout, stderr } = await runChild(
    t,
    `${PRELUDE}
    const pair = await dial()
    const send = await pair.client.openUni()
    await send.write('!')
    const recv = await pair.server.acceptUni()
    let read = 0
    const reading = (async () => {
      const target = new Uint8Array(64 * 1024)
      for (;;) {
        const n = await recv.readInto(target)
        if (n === 0) return
        read += n
      }
    })()
    const block = new Uint8Array(16).fill(7)
    let warm = 0
    for (let n = 0; n < 1_000_000; n++) {
      await send.write(block)
      if (n % 1_000 === 0) await turn()
      if (n === 200_000) { globalThis.gc(); warm = rss() }
    }
    await send.finish()
    await reading
    globalThis.gc()
    const grown = rss() - warm
    if (read !== 16_000_001) throw new Error('read ' + read)
    console.log(grown < 40 ? 'flat' : 'grown by ' + grown)
    await client.close()
    await server.close()`,
    { flags: ['--expose-gc'], timeoutMs: 200_000 },
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'flat\n')
})

test('connect, echo and close, over and over, leave memory and handles flat', async (t) => {
  const { status, stdout, stderr } = await runChild(
    t,
    `${PRELUDE}
    async function cycle() {
      const pair = await dial()
      const serving = pair.server.serve((body) => body)
      await pair.client.request('tea')
      pair.client.close()
      await serving
    }
    const many = async (count) => { for (let n = 0; n < count; n += 8) await Promise.all(Array.from({ length: 8 }, cycle)) }
    await many(800)
    globalThis.gc(); await turn(); globalThis.gc()
    const warm = { rss: rss(), handles: client.metrics().bridge_handles }
    await many(1_600)
    globalThis.gc(); await turn(); globalThis.gc(); await turn()
    const grown = rss() - warm.rss
    const handles = client.metrics().bridge_handles - warm.handles
    console.log(grown < 40 && handles <= 8 ? 'flat' : 'grown by ' + grown + ' MiB and ' + handles + ' handles')
    await client.close()
    await server.close()`,
    { flags: ['--expose-gc'], timeoutMs: 200_000 },
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'flat\n')
})
