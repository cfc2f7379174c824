import test from 'ava'
import { runChild } from '../helpers/child.js'

/** Loaders of TypeScript do not reach worker threads everywhere, so these use what `npm run build:ts` made. */
const compiled = new URL('../../dist/index.js', import.meta.url).href

/** What a worker does: an echo over loopback, then the end of its kind. */
const WORKER = `
import { parentPort, workerData } from 'node:worker_threads'
const { Endpoint, Router } = await import('${compiled}')
const bind = () => Endpoint.bind({ bind: '127.0.0.1:0', closeTimeoutMs: 200 })
const router = Router.builder(await bind()).accept('a', (c) => c.serve((b) => b)).spawn()
const client = await bind()
const connection = await client.connect(router.endpoint.addr, 'a')
const answer = new TextDecoder().decode(await connection.request('tea'))
if (workerData === 'close') {
  await client.close()
  await router.shutdown()
} else {
  const { send, recv } = await connection.openBi()
  void send.write(new Uint8Array(5_000_000))
  void recv.read()
}
parentPort.postMessage(answer)
if (workerData === 'exit') process.exit(0)
`

test('fifty worker threads load, use and leave: closed, by exit, and terminated in the middle', async (t) => {
  const { status, signal, stdout, stderr } = await runChild(
    t,
    `
    import { Worker } from 'node:worker_threads'
    const code = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(WORKER)}))
    async function run(kind) {
      const worker = new Worker(code, { workerData: kind })
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      const answer = await new Promise((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      if (answer !== 'tea') throw new Error(answer)
      if (kind === 'terminate') await worker.terminate()
      else await exited
    }
    const kinds = ['close', 'exit', 'terminate']
    for (let n = 0; n < 50; n += 5) await Promise.all([0, 1, 2, 3, 4].map((k) => run(kinds[(n + k) % 3])))
    // The main thread still works.
    const endpoint = await gaiwan.Endpoint.bind({ bind: '127.0.0.1:0' })
    await endpoint.close()
    console.log('ok')`,
    { timeoutMs: 240_000 },
  )
  t.is(signal, null, stderr)
  t.is(status, 0, stderr)
  t.is(stdout, 'ok\n')
})
