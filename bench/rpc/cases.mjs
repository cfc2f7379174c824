/** What of rpc `npm run bench` measures, next to two processes of irpc, and what needs no peer. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { calls } from './pair.mjs'

const CALLS = [
  ['unary', 'rpc unary of 16 B, 1 in flight / irpc', 0.6, '1/s', 1],
  ['parallel', 'rpc unary of 16 B, 64 in flight / irpc', 0.6, '1/s', 1],
  ['stream', 'rpc server stream of u64, items / irpc', 0.5, '1/s', 1],
  ['bidi', 'rpc bidi of u64, items there and back / irpc', 0.5, '1/s', 1],
  ['mebibyte', 'rpc unary of 1 MiB / irpc', 0.9, 'MB/s', 2 ** 20 / 1e6],
]

/**
 * @param {{quick: boolean}} options
 * @returns {import('../cases.mjs').Case[]}
 */
export function rpcCases({ quick }) {
  const ms = quick ? 1_000 : 3_000
  const alone = once(() =>
    JSON.parse(execFileSync(process.execPath, [fileURLToPath(new URL('alone.mjs', import.meta.url))], { encoding: 'utf8' })),
  )
  // The budget stands in for a base: the ratio is figure / budget.
  const budget = (id, label, unit, sense, value, budgetValue) => ({
    id,
    workload: 'rpc',
    flags: [],
    run: {
      base: async () => ({ figures: { value: budgetValue } }),
      gaiwan: async () => ({ figures: { value: value(alone()) } }),
    },
    measures: [{ id, label, unit, target: 1, sense, value: ({ figures }) => figures.value }],
  })
  return [
    ...CALLS.map(([name, label, target, unit, factor]) => ({
      id: `rpc-${name}`,
      workload: 'rpc',
      flags: [],
      run: {
        base: () => calls({ server: 'irpc', client: 'irpc', name, ms }),
        gaiwan: () => calls({ name, ms }),
      },
      measures: [{ id: `rpc-${name}`, label, unit, target, sense: 'atLeast', value: ({ figures }) => figures.perSecond * factor }],
    })),
    {
      id: 'rpc-grpc',
      workload: 'rpc',
      flags: [],
      run: { base: () => calls({ server: 'grpc', client: 'grpc', name: 'parallel', ms }), gaiwan: () => calls({ name: 'parallel', ms }) },
      measures: [
        {
          id: 'rpc-grpc',
          label: 'rpc unary of 16 B, 64 in flight / @grpc/grpc-js',
          unit: '1/s',
          target: 3,
          sense: 'atLeast',
          value: ({ figures }) => figures.perSecond,
        },
      ],
    },
    budget('rpc-encode', 'postcard: encode a struct / 1 us', 'us', 'atMost', ({ encodeUs }) => encodeUs, 1),
    budget('rpc-decode', 'postcard: decode a struct / 1.5 us', 'us', 'atMost', ({ decodeUs }) => decodeUs, 1.5),
    budget('rpc-local', 'rpc unary in process / 500,000', '1/s', 'atLeast', ({ local }) => local, 500_000),
  ]
}

function once(run) {
  let result
  return () => {
    result ??= run()
    return result
  }
}
