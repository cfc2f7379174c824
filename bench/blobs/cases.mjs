/** What of blobs `npm run bench` measures. The base of each row is named in its label. */
import { gaiwanPair, measure } from '../processes.mjs'
import { copyReference, fetchGaiwan, fetchReference, hashGaiwan, hashReference, Inputs, importGaiwan } from './pair.mjs'

const MIB = 2 ** 20
const FILES = 10_000

/**
 * @param {{quick: boolean, mib?: string}} options
 * @param {string} binary of the Rust pair
 * @returns {import('../cases.mjs').Case[]}
 */
export function blobCases({ quick, mib }, binary) {
  const bytes = Number(mib ?? (quick ? 128 : 1024)) * MIB
  if (!Number.isInteger(bytes) || bytes < MIB) throw new RangeError(`--mib ${mib}: a whole number from 1`)
  const size = bytes % (1024 * MIB) === 0 ? `${bytes / (1024 * MIB)} GiB` : `${bytes / MIB} MiB`
  const inputs = new Inputs()
  const perSecond = (id, label, target) => ({
    id,
    label,
    unit: 'MB/s',
    target,
    sense: 'atLeast',
    value: ({ figures }) => figures.perSecond / 1e6,
  })
  const blob = async (durability) => fetchGaiwan(inputs, await inputs.large(bytes), durability)
  const files = async (durability) => fetchGaiwan(inputs, await inputs.small(FILES), durability)
  const one = (id, label, target, base, gaiwan, sharedBase) => ({
    id,
    workload: 'blobs',
    flags: [],
    run: { base, gaiwan },
    base: sharedBase,
    measures: [perSecond(id, label, target)],
  })
  const reference = async () => fetchReference(inputs, await inputs.large(bytes))
  const referenceFiles = async () => fetchReference(inputs, await inputs.small(FILES))
  const w1 = () => measure(gaiwanPair('w1', ['--bytes', String(bytes)]))
  const hashed = async () => hashReference(binary, await inputs.large(bytes))
  return [
    one('b1', `B1 blob of ${size}, fsynced / iroh-blobs`, 1, reference, () => blob('sync')),
    one('b1r', `B1 blob of ${size}, relaxed / iroh-blobs`, 1, reference, () => blob('relaxed'), 'b1'),
    one('b1w1', `B1 blob of ${size}, fsynced / W1`, 0.6, w1, () => blob('sync')),
    one('b2', 'B2 10,000 files of 4 KiB, fsynced / iroh-blobs', 1, referenceFiles, () => files('sync')),
    one('b2r', 'B2 10,000 files of 4 KiB, relaxed / iroh-blobs', 1, referenceFiles, () => files('relaxed'), 'b2'),
    one('b3', `B3 hash of ${size} / blake3`, 0.95, hashed, async () => hashGaiwan(await inputs.large(bytes))),
    one(
      'b4r',
      `B4 import of ${size} by reference / blake3`,
      0.95,
      hashed,
      async () => importGaiwan(inputs, await inputs.large(bytes), 'reference'),
      'b3',
    ),
    one(
      'b4c',
      `B4 import of ${size} by copy / cp + blake3`,
      0.8,
      async () => copyReference(inputs, binary, await inputs.large(bytes)),
      async () => importGaiwan(inputs, await inputs.large(bytes), 'copy'),
    ),
  ]
}
