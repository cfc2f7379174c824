// automerge-repo's own suite for network adapters: the very file that the package ships. Only `vitest` is a stand-in, vitest.mjs.
import { register } from 'node:module'
import '@automerge/automerge'
import test from 'ava'
import { GaiwanNetworkAdapter, REPO_ALPN } from '../../ts/automerge/index.js'
import { Endpoint, Router } from '../../ts/index.js'
import { LOOPBACK } from '../helpers/pair.js'
import { collected } from './vitest.mjs'

type Network = readonly GaiwanNetworkAdapter[]
type Setup = () => Promise<{ adapters: readonly [Network, Network, Network]; teardown: () => void }>

register('./vitest-hook.mjs', import.meta.url)
const suite = '@automerge/automerge-repo/helpers/tests/network-adapter-tests.js'
const { runNetworkAdapterTests } = (await import(suite)) as { runNetworkAdapterTests(setup: Setup, title: string): void }

/**
 * Three endpoints: the second and the third dial the first, and it dials them, so that every dial is crossed and every `find` waits for a
 * first session. The suite waits for one peer of each and then expects that peer to be the right one, so the last two have no other.
 */
async function three(): ReturnType<Setup> {
  const bound = Array.from({ length: 3 }, () => Endpoint.bind({ bind: LOOPBACK, closeTimeoutMs: 200 }))
  const endpoints = await Promise.all(bound)
  open.push(...endpoints)
  const [a, b, c] = endpoints.map((endpoint) => {
    const peers = (endpoint === endpoints[0] ? endpoints.slice(1) : endpoints.slice(0, 1)).map(({ addr }) => addr)
    // The suite's repos are called alice, bob and charlie.
    const adapter = new GaiwanNetworkAdapter({ endpoint, peerIds: 'any', peers, readyTimeoutMs: 60_000 })
    Router.builder(endpoint).accept(REPO_ALPN, adapter).spawn()
    return [adapter]
  }) as unknown as [Network, Network, Network]
  return { adapters: [a, b, c], teardown: () => void endpoints.map((endpoint) => endpoint.close()) }
}

const open: Endpoint[] = []
test.after.always(() => Promise.all(open.map((endpoint) => endpoint.close())))

runNetworkAdapterTests(three, 'gaiwan')
for (const { title, run } of collected) {
  test.serial(title, async (t) => {
    await t.notThrowsAsync(run())
  })
}

test('the suite has the tests that it had when this was written', (t) => {
  t.is(collected.length, 7)
})
