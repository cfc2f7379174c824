/** Messages from one fresh process to another, which are neighbors in one topic. */
import { fileURLToPath } from 'node:url'
import { REFERENCE } from '../blobs/pair.mjs'
import { child } from '../child.mjs'

const GAIWAN = [process.execPath, fileURLToPath(new URL('peer.mjs', import.meta.url))]
const IROH = [REFERENCE, 'gossip-bench']

/**
 * @param {{receiver?: 'gaiwan' | 'iroh', sender?: 'gaiwan' | 'iroh', bytes: number, ms: number}} options
 * @returns {Promise<{figures: {perSecond: number, count: number, sent: number, lagged: number}}>}
 */
export async function messages({ receiver = 'gaiwan', sender = 'gaiwan', bytes, ms }) {
  const there = child([...(receiver === 'iroh' ? IROH : GAIWAN), 'receive', `${ms}`])
  let here
  try {
    const { id, address } = await there.line()
    here = child([...(sender === 'iroh' ? IROH : GAIWAN), 'send', id, address, `${bytes}`])
    const result = await there.line()
    here.process.stdin.end()
    const { sent } = await here.line()
    await here.ended
    if (result.bytes !== result.received * bytes) throw new Error(`${result.bytes} bytes in ${result.received} messages of ${bytes}`)
    return { figures: { count: result.received, sent, lagged: result.lagged, perSecond: (result.received / result.ms) * 1e3 } }
  } finally {
    here?.process.kill('SIGKILL')
    there.process.kill('SIGKILL')
  }
}
