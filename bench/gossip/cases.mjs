/** What of gossip `npm run bench` measures, next to two processes of iroh-gossip. */
import { messages } from './pair.mjs'

const BYTES = 1_024

/**
 * @param {{quick: boolean}} options
 * @returns {import('../cases.mjs').Case[]}
 */
export function gossipCases({ quick }) {
  const run = { bytes: BYTES, ms: quick ? 1_000 : 3_000 }
  return [
    {
      id: 'w6',
      workload: 'w6',
      flags: [],
      run: {
        base: () => messages({ ...run, receiver: 'iroh', sender: 'iroh' }),
        gaiwan: () => messages(run),
      },
      measures: [
        {
          id: 'w6',
          label: 'W6 gossip messages of 1 KiB received / iroh-gossip',
          unit: '1/s',
          target: 1,
          sense: 'atLeast',
          value: ({ figures }) => figures.perSecond,
        },
      ],
    },
  ]
}
