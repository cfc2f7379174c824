// The store of the `blob` commands.
import type { Call } from '../args.js'
import { blobKit, type Kit, type Store } from './kit.js'
import { makeDirectory, storeDirectory } from './places.js'

/** Opens the store that a call means, made if it is missing, and closes it after use. */
export async function inStore<T>(call: Call, use: (store: Store, kit: Kit) => Promise<T>): Promise<T> {
  const kit = await blobKit()
  const directory = storeDirectory(call)
  await makeDirectory(directory)
  const store = await kit.open(directory)
  try {
    return await use(store, kit)
  } finally {
    await store.close()
  }
}
