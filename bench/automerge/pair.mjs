/** Documents from one fresh process to another. */
import { fileURLToPath } from 'node:url'
import { child } from '../child.mjs'

const PEER = [process.execPath, fileURLToPath(new URL('peer.mjs', import.meta.url))]

/**
 * @param {{way: 'gaiwan' | 'websocket', documents: number, changes: number}} options
 * @returns {Promise<{figures: {perSecond: number, ms: number}}>} changes a second, from `find` until all documents are here
 */
export async function fetchDocuments({ way, documents, changes }) {
  const there = child([...PEER, 'serve', way, `${documents}`, `${changes}`])
  let here
  try {
    const { id, address, urls } = await there.line()
    here = child([...PEER, 'fetch', way, address, id, ...urls])
    const result = await here.line()
    there.process.stdin.end()
    await there.line()
    await there.ended
    if (result.changes.some((count) => count !== changes)) throw new Error(`documents with ${result.changes} changes, not ${changes}`)
    return { figures: { perSecond: (documents * changes) / (result.ms / 1e3), ms: result.ms } }
  } finally {
    here?.process.kill('SIGKILL')
    there.process.kill('SIGKILL')
  }
}
