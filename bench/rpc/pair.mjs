/** Calls from one fresh process to another. */
import { fileURLToPath } from 'node:url'
import { REFERENCE } from '../blobs/pair.mjs'
import { child } from '../child.mjs'

const PROGRAMS = {
  gaiwan: [process.execPath, fileURLToPath(new URL('peer.mjs', import.meta.url))],
  irpc: [REFERENCE, 'rpc-bench'],
  grpc: [process.execPath, fileURLToPath(new URL('grpc.mjs', import.meta.url))],
}

/**
 * @param {{server?: keyof typeof PROGRAMS, client?: keyof typeof PROGRAMS, name: string, ms: number}} options
 * @returns {Promise<{figures: {perSecond: number, count: number}}>}
 */
export async function calls({ server = 'gaiwan', client = 'gaiwan', name, ms }) {
  const there = child([...PROGRAMS[server], 'serve'])
  let here
  try {
    const { id, address } = await there.line()
    here = child([...PROGRAMS[client], 'call', id, address, name, `${ms}`])
    const { items, perSecond } = await here.line()
    await here.ended
    there.process.stdin.end()
    return { figures: { count: items, perSecond } }
  } finally {
    here?.process.kill('SIGKILL')
    there.process.kill('SIGKILL')
  }
}
