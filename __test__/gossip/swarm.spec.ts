import test from 'ava'
import { swarm } from '../../bench/gossip/endpoints.mjs'

test('fifty endpoints hear every message, and so do those who are left when 30 % are closed at once', async (t) => {
  t.timeout(600_000)
  const rows = await swarm({ endpoints: 50, messages: 1_000 })
  t.deepEqual(
    rows.map(({ nodes, missed }) => [nodes, missed]),
    [
      [50, 0],
      [35, 0],
    ],
  )
})
