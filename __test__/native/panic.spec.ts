import test from 'ava'
import { runChild } from '../helpers/child.js'

test('a panic in a native task is INTERNAL on that connection, and all others live on', async (t) => {
  const { status, stdout, stderr } = await runChild(
    t,
    `
    import { createRequire } from 'node:module'
    const { Endpoint, GaiwanError } = gaiwan
    const { bridge } = await import(new URL('./endpoint/bridge.ts', '${new URL('../../ts/', import.meta.url).href}'))
    const bind = (options) => Endpoint.bind({ bind: '127.0.0.1:0', closeTimeoutMs: 500, ...options })
    const server = await bind({ alpns: ['a'] })
    const client = await bind()
    async function dial() {
      const dialing = client.connect(server.addr, 'a')
      return { server: await (await server.accept()).accept(), client: await dialing }
    }
    const first = await dial()
    const second = await dial()
    for (const { server } of [first, second]) void server.serve((body) => body)
    // Handles are small numbers, and all but one of these are no connection.
    let failure = null
    for (let handle = 1; handle < 100 && failure === null; handle++) {
      if (first.client.closeInfo !== null) break
      const own = await bridge().call((native, id) => native.testPanic(id, handle), () => {}).catch((error) => error)
      if (own.message !== 'there is no such connection') failure = own
    }
    console.log(GaiwanError.is(failure, 'INTERNAL'))
    const broken = await Promise.race([first, second].map(async (pair) => {
      await Promise.all([pair.client.closed, pair.server.closed])
      return pair
    }))
    const spared = broken === first ? second : first
    console.log(new TextDecoder().decode(await spared.client.request('spared')))
    console.log(spared.client.closeInfo, spared.server.closeInfo)
    const third = await dial()
    void third.server.serve((body) => body)
    console.log(new TextDecoder().decode(await third.client.request('lives on')))
    await client.close()
    await server.close()`,
    { env: { GAIWAN_TEST_HOOKS: '1' } },
  )
  t.is(status, 0, stderr)
  t.is(stdout, 'true\nspared\nnull null\nlives on\n')
})

test('without the variable there is no such hook', async (t) => {
  const { stdout } = await runChild(
    t,
    `
    const { bridge } = await import(new URL('./endpoint/bridge.ts', '${new URL('../../ts/', import.meta.url).href}'))
    try { bridge().loose.testPanic(1, 1); console.log('panics') } catch (error) { console.log(error.message) }`,
    { env: { GAIWAN_TEST_HOOKS: '' } },
  )
  t.is(stdout, 'test hooks are off\n')
})
