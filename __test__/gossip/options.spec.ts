import test, { type ExecutionContext } from 'ava'
import { Gossip, type GossipOptions } from '../../ts/gossip/index.js'
import { bind } from '../helpers/pair.js'

type Test = ExecutionContext<unknown>

const RANGES: readonly [options: object, name: string][] = [
  [{ maxMessageBytes: 511 }, 'maxMessageBytes'],
  [{ maxMessageBytes: 2 ** 20 + 1 }, 'maxMessageBytes'],
  [{ membership: { activeViewCapacity: 0 } }, 'membership.activeViewCapacity'],
  [{ membership: { shuffleIntervalMs: 0 } }, 'membership.shuffleIntervalMs'],
  [{ membership: { shuffleRandomWalkLength: 65_536 } }, 'membership.shuffleRandomWalkLength'],
  [{ broadcast: { cacheEvictIntervalMs: 0 } }, 'broadcast.cacheEvictIntervalMs'],
  [{ broadcast: { graftTimeout1Ms: 1.5 } }, 'broadcast.graftTimeout1Ms'],
  [{ limits: { maxConnections: 0 } }, 'limits.maxConnections'],
  [{ alpn: '' }, 'alpn'],
]
const TYPES: readonly [options: object | null | number, name: string][] = [
  [null, 'options'],
  [7, 'options'],
  [{ alpn: 7 }, 'alpn'],
  [{ accept: true }, 'accept'],
  [{ rejoin: 1 }, 'rejoin'],
  [{ neighborsOnly: 'yes' }, 'neighborsOnly'],
  [{ membership: 5 }, 'membership'],
  [{ broadcast: { dispatchTimeoutMs: '5' } }, 'broadcast.dispatchTimeoutMs'],
  [{ limits: null }, 'limits'],
]

async function gossip(t: Test, options?: GossipOptions): Promise<Gossip> {
  const made = new Gossip(await bind(t), options)
  t.teardown(() => made.shutdown())
  return made
}

test('wrong options are errors that name the argument', async (t) => {
  const endpoint = await bind(t)
  for (const [options, name] of RANGES) {
    const error = t.throws(() => new Gossip(endpoint, options as GossipOptions), { instanceOf: RangeError }, name)
    t.true(error?.message.startsWith(`${name}: expected`), error?.message)
  }
  for (const [options, name] of TYPES) {
    const error = t.throws(() => new Gossip(endpoint, options as GossipOptions), { instanceOf: TypeError }, name)
    t.true(error?.message.startsWith(`${name}: expected`), error?.message)
  }
  t.throws(() => new Gossip({} as never), { instanceOf: TypeError, message: /^endpoint: / })
})

test('the largest content follows from the largest frame', async (t) => {
  t.is((await gossip(t)).maxMessageBytes, 4_096)
  for (const [frame, content] of [
    [512, 471],
    [4_096, 4_055],
    [16_384, 16_342],
    [2 ** 20, 2 ** 20 - 42],
  ] as const) {
    t.is((await gossip(t, { maxMessageBytes: frame })).maxContentBytes, content)
  }
})

test('all numbers that there are may be set', async (t) => {
  const one = await gossip(t, {
    alpn: 'tea/1',
    rejoin: false,
    neighborsOnly: true,
    membership: {
      activeViewCapacity: 8,
      passiveViewCapacity: 40,
      activeRandomWalkLength: 5,
      passiveRandomWalkLength: 2,
      shuffleRandomWalkLength: 5,
      shuffleActiveViewCount: 2,
      shufflePassiveViewCount: 3,
      shuffleIntervalMs: 10_000,
      neighborRequestTimeoutMs: 1_000,
    },
    broadcast: {
      graftTimeout1Ms: 100,
      graftTimeout2Ms: 50,
      dispatchTimeoutMs: 10,
      optimizationThreshold: 5,
      messageCacheRetentionMs: 20_000,
      messageIdRetentionMs: 60_000,
      cacheEvictIntervalMs: 500,
    },
    limits: { maxQueuedFrames: 10, maxQueuedBytes: 65_536, maxConnections: 100, maxConnectionsPerPeer: 2 },
  })
  const topic = await one.subscribe('tea house')
  t.deepEqual(topic.neighbors(), [])
})

test('wrong arguments of subscribe and of a topic are errors that name them', async (t) => {
  const one = await gossip(t)
  const wrong = async (call: Promise<unknown>, kind: typeof TypeError | typeof RangeError, name: string) => {
    const error = await t.throwsAsync(call, { instanceOf: kind }, name)
    t.true(error?.message.startsWith(`${name}: `), error?.message)
  }
  await wrong(one.subscribe(7 as never), TypeError, 'topic')
  await wrong(one.subscribe('a', 'b' as never), TypeError, 'bootstrap')
  await wrong(one.subscribe('a', [one.endpoint.addr, 'endpointx']), TypeError, 'bootstrap[1]')
  await wrong(one.subscribe('a', ['xyz']), TypeError, 'bootstrap[0]')
  await wrong(one.subscribe('a', [], { capacity: 0 }), RangeError, 'capacity')
  await wrong(one.subscribe('a', [], { signal: 7 as never }), TypeError, 'signal')
  await wrong(one.subscribeAndJoin('a', [], { timeoutMs: 0 }), RangeError, 'timeoutMs')
  const topic = await one.subscribe('a')
  await wrong(topic.broadcast(7 as never), TypeError, 'message')
  await wrong(topic.broadcastNeighbors({} as never), TypeError, 'message')
  await wrong(topic.broadcast('x', { signal: {} as never }), TypeError, 'signal')
  await wrong(topic.join('x' as never), TypeError, 'peers')
  await wrong(topic.join([7 as never]), TypeError, 'peers[0]')
  await wrong(topic.joined({ timeoutMs: 1.5 }), RangeError, 'timeoutMs')
  await wrong(one.accept({} as never), TypeError, 'connection')
})
