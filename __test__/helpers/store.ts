// Stores in memory and in temporary folders, closed and removed when the test ends.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { BlobStore, type StoreOptions } from '../../ts/blobs/index.js'

type Test = ExecutionContext<unknown>

/** A new folder; its name has a space and a letter that is not ASCII. */
export function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'gaiwan blöbs-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export function inMemory(t: Test, options?: StoreOptions): BlobStore {
  const store = BlobStore.memory(options)
  t.teardown(() => store.close())
  return store
}

export async function inFolder(t: Test, options?: StoreOptions): Promise<{ readonly store: BlobStore; readonly directory: string }> {
  const directory = join(folder(t), 'store')
  const store = await BlobStore.open(directory, options)
  t.teardown(() => store.close())
  return { store, directory }
}

/** Both kinds: what holds for one holds for the other. */
export const KINDS: ReadonlyArray<readonly [name: string, make: (t: Test, options?: StoreOptions) => Promise<BlobStore>]> = [
  ['memory', async (t, options) => inMemory(t, options)],
  ['directory', async (t, options) => (await inFolder(t, options)).store],
]

/** The input of the vectors: byte i is i mod 251. */
export function mod251(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, n) => n % 251)
}

/** All of an iterable. */
export async function all<T>(iterable: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of iterable) items.push(item)
  return items
}

/** All bytes of an iterable. */
export async function joined(iterable: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return Uint8Array.from(Buffer.concat(await all(iterable)))
}

/** Whether both are the same bytes; `deepEqual` of the test runner takes seconds for megabytes. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** Gives each piece on its own. */
export async function* pieces(...parts: Array<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield typeof part === 'string' ? new TextEncoder().encode(part) : part
}

/** Waits until `condition` holds, looking once a turn of the event loop; fails after `ms`. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`not so within ${ms} ms: ${condition}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
