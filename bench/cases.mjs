/** What `npm run bench` measures: each case with its flags, its figure, and the ratio to the base that it must reach. */

/**
 * @typedef {object} Measure one row of the table
 * @property {string} id
 * @property {string} label
 * @property {string} unit
 * @property {number | null} target of gaiwan / base; null: shown only
 * @property {'atLeast' | 'atMost'} sense which side of `target` is good
 * @property {(measured: object, case_: Case) => number} value the figure, from what `measure` gives
 *
 * @typedef {object} Case
 * @property {string} id
 * @property {string} workload 'w1' to 'w6', 'blobs', 'automerge'
 * @property {string[]} flags those of the client, both pairs
 * @property {{base: () => Promise<object>, gaiwan: () => Promise<object>}} [run] in place of the pairs of `workload`
 * @property {string[]} [gaiwanFlags] those of both gaiwan processes
 * @property {string} [base] the case whose base runs serve this one too
 * @property {Measure[]} measures
 */

const GIB = 2 ** 30
const KIB = 2 ** 10

/**
 * @param {{quick: boolean}} options `quick` makes each run short: good for a look, not for a claim
 * @returns {Case[]}
 */
export function cases({ quick }) {
  const bytes = quick ? GIB / 4 : GIB
  const seconds = ['--seconds', quick ? '1' : '3']
  const connections = quick ? '250' : '1000'
  const perSecond = (id, label, target, unit = '1/s') => ({
    id,
    label,
    unit,
    target,
    sense: 'atLeast',
    value: ({ figures }) => figures.perSecond / (unit === 'MB/s' ? 1e6 : 1),
  })
  return [
    {
      id: 'w1',
      workload: 'w1',
      flags: ['--bytes', String(bytes)],
      measures: [
        perSecond('w1', 'W1 one stream, one way', 1, 'MB/s'),
        {
          id: 'w1cpu',
          label: 'W1 CPU of both processes',
          unit: 's/GiB',
          target: 1.05,
          sense: 'atMost',
          value: ({ cpuSeconds }) => cpuSeconds / (bytes / GIB),
        },
      ],
    },
    {
      id: 'w2x1',
      workload: 'w2',
      flags: [...seconds, '--in-flight', '1'],
      measures: [perSecond('w2x1', 'W2 request, 1 in flight', 0.55)],
    },
    {
      id: 'w2x64',
      workload: 'w2',
      flags: [...seconds, '--in-flight', '64'],
      measures: [perSecond('w2x64', 'W2 request, 64 in flight', 1)],
    },
    {
      id: 'w2s1',
      workload: 'w2',
      flags: [...seconds, '--in-flight', '1'],
      gaiwanFlags: ['--streams'],
      base: 'w2x1',
      measures: [perSecond('w2s1', 'W2 stream primitives, 1 in flight', null)],
    },
    {
      id: 'w2s64',
      workload: 'w2',
      flags: [...seconds, '--in-flight', '64'],
      gaiwanFlags: ['--streams'],
      base: 'w2x64',
      measures: [perSecond('w2s64', 'W2 stream primitives, 64 in flight', 0.5)],
    },
    {
      id: 'w3x1',
      workload: 'w3',
      flags: [...seconds, '--in-flight', '1'],
      measures: [perSecond('w3x1', 'W3 new connections, 1 at a time', 0.9)],
    },
    {
      id: 'w3x16',
      workload: 'w3',
      flags: [...seconds, '--in-flight', '16'],
      measures: [perSecond('w3x16', 'W3 new connections, 16 at a time', 0.75)],
    },
    {
      id: 'w4',
      workload: 'w4',
      flags: ['--connections', connections],
      measures: ['server', 'client'].map((side) => ({
        id: `w4${side}`,
        label: `W4 idle connection, ${side}`,
        unit: 'KiB',
        target: 1.05,
        sense: 'atMost',
        value: (measured) => measured[side].rssGrowthBytes / measured.figures.connections / KIB,
      })),
    },
    {
      id: 'w5',
      workload: 'w5',
      flags: seconds,
      measures: [perSecond('w5', 'W5 datagrams of 1,200 B received', 0.6)],
    },
  ]
}

/** The cases that `only` names, by workload or by id ('w2' is all of W2); an unknown name is an error. */
export function choose(all, only) {
  if (only === undefined) return all
  const names = only.split(',')
  for (const name of names) {
    if (!all.some(({ id, workload }) => id === name || workload === name)) {
      throw new RangeError(`--only ${name}: one of ${all.map(({ id }) => id).join(', ')}, w2, w3, blobs, automerge`)
    }
  }
  return all.filter(({ id, workload }) => names.includes(id) || names.includes(workload))
}
