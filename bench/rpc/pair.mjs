/** Calls from one fresh process to another. */
import { fileURLToPath } from 'node:url'
import { REFERENCE } from '../blobs/pair.mjs'
import { child } from '../child.mjs'

const GAIWAN = [process.execPath, fileURLToPath(new URL('peer.mjs', import.meta.url))]
const IRPC = [REFERENCE, 'rpc-bench']

/**
 * @param {{server?: 'gaiwan' | 'irpc', client?: 'gaiwan' | 'irpc', name: string, ms: number}} options
 * @returns {Promise<{figures: {perSecond: number, count: number}}>}
 */
export async function calls({ server = 'gaiwan', client = 'gaiwan', name, ms }) {
  const there = child([...(server === 'irpc' ? IRPC : GAIWAN), 'serve'])
  let here
  try {
    const { id, address } = await there.line()
    here = child([...(client === 'irpc' ? IRPC : GAIWAN), 'call', id, address, name, `${ms}`])
    const { items, perSecond } = await here.line()
    await here.ended
    there.process.stdin.end()
    return { figures: { count: items, perSecond } }
  } finally {
    here?.process.kill('SIGKILL')
    there.process.kill('SIGKILL')
  }
}
