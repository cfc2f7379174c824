// Paths of a connection as they change.
import type { ConnectionCore } from './connection-core.js'
import type { PathInfo } from './stats.js'
import { Watched } from './watch.js'

/** How often the address of the path is looked at; QUIC tells nobody when it changes. */
const LOOK_MS = 500

/** Each iteration looks on its own while it runs, and ends with the connection. */
export function watchPaths(core: ConnectionCore, paths: () => readonly PathInfo[]): AsyncIterable<readonly PathInfo[]> {
  return {
    [Symbol.asyncIterator]() {
      const watched = new Watched(paths)
      if (core.closeInfo !== null) watched.end()
      let address = core.address
      const look = () => {
        if (core.closeInfo !== null) watched.end()
        else if (core.address !== address) {
          address = core.address
          watched.changed()
        }
      }
      const timer = setInterval(look, LOOK_MS).unref()
      const iterator = watched.watch(() => () => clearInterval(timer))[Symbol.asyncIterator]()
      if (core.closeInfo !== null) clearInterval(timer)
      void core.closed.then(() => watched.end())
      return iterator
    },
  }
}
