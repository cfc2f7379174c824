/** What of automerge `npm run bench` measures, next to automerge-repo's own WebSocket adapters between two processes. */
import { document } from './documents.mjs'
import { fetchDocuments } from './pair.mjs'

const CHANGES = 100_000
const DOCUMENTS = 100

/**
 * @returns {import('../cases.mjs').Case[]}
 */
export function automergeCases() {
  return [
    automerge('a1', `A1 one document of ${CHANGES.toLocaleString('en-US')} changes / WebSocket`, { documents: 1, changes: CHANGES }),
    automerge('a2', `A2 ${DOCUMENTS} documents of 1,000 changes at once / WebSocket`, { documents: DOCUMENTS, changes: 1_000 }),
  ]
}

function automerge(id, label, { documents, changes }) {
  const fetch = (way) => () => {
    // Made before the clock runs; later runs have them from a file.
    for (let n = 0; n < documents; n++) document(changes, n)
    return fetchDocuments({ way, documents, changes })
  }
  return {
    id,
    workload: 'automerge',
    flags: [],
    run: { base: fetch('websocket'), gaiwan: fetch('gaiwan') },
    measures: [{ id, label, unit: 'changes/s', target: 1, sense: 'atLeast', value: ({ figures }) => figures.perSecond }],
  }
}
