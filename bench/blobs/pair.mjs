/** A transfer of blobs between two fresh processes and two fresh stores; and what is measured without a peer. */
import { spawnSync } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { child } from '../child.mjs'

const SELF = [process.execPath, fileURLToPath(new URL('peer.mjs', import.meta.url))]
/** iroh-blobs and iroh-gossip, built by `npm run build:interop`. */
export const REFERENCE =
  process.env.GAIWAN_INTEROP_PEER ?? fileURLToPath(new URL('../../interop/target/release/gaiwan-interop-peer', import.meta.url))

/** Folder of the files that are sent, made when first asked for and removed at the end. */
export class Inputs {
  #folder
  #made = new Map()

  get folder() {
    if (this.#folder === undefined) {
      this.#folder = mkdtempSync(join(tmpdir(), 'gaiwan-bench-'))
      process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }))
    }
    return this.#folder
  }

  /** Path of one file of random bytes. */
  large(bytes) {
    return this.#once(`large-${bytes}`, async (path) => {
      const out = createWriteStream(path)
      const block = Buffer.alloc(1 << 20)
      for (let left = bytes; left > 0; left -= block.length) {
        if (!out.write(Buffer.from(randomFillSync(block).subarray(0, left)))) await once(out, 'drain')
      }
      out.end()
      await once(out, 'finish')
      // What the disk still has to write would be written during the first run, and by the second no more.
      spawnSync('sync', [path])
    })
  }

  /** Path of a folder of files of 4 KiB. */
  small(files) {
    return this.#once(`small-${files}`, async (path) => {
      mkdirSync(path)
      for (let n = 0; n < files; n++) writeFileSync(join(path, `${n}`), randomFillSync(Buffer.alloc(4096)))
      spawnSync('sync', ['-f', path])
    })
  }

  async #once(name, make) {
    if (!this.#made.has(name)) {
      this.#made.set(name, join(this.folder, name))
      await make(this.#made.get(name))
    }
    return this.#made.get(name)
  }
}

export function hasReference() {
  return existsSync(REFERENCE)
}

/** Two processes of iroh-blobs; its receiver flushes nothing to the disk. */
export function fetchReference(inputs, path) {
  return fetch(inputs, path, [REFERENCE, 'blobs-bench', 'provide', '--reference'], [REFERENCE, 'blobs-bench', 'receive'], [])
}

/** Two processes of gaiwan; `durability` as the store takes it. */
export function fetchGaiwan(inputs, path, durability) {
  return fetch(inputs, path, [...SELF, 'provide'], [...SELF, 'receive'], [durability])
}

async function fetch({ folder }, path, provideLine, receiveLine, more) {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const server = child([...provideLine, from, path])
  try {
    const ready = await server.line()
    const client = child([...receiveLine, ready.ticket, to, ...more])
    const result = await client.line()
    await client.ended
    server.process.stdin.end()
    const last = provideLine[0] === REFERENCE ? {} : await server.line()
    await server.ended
    const ms = result.fetchMs + (result.syncMs ?? 0)
    const figures = { ms, perSecond: (result.bytes / ms) * 1e3, importMs: ready.importMs }
    if (last.maxRssBytes !== undefined) figures.rss = [last.maxRssBytes, result.maxRssBytes]
    return { figures }
  } finally {
    server.process.kill('SIGKILL')
    for (const store of [from, to]) rmSync(store, { recursive: true, force: true })
  }
}

/** The crate `blake3` over a file: memory map, all cores. */
export function hashReference(binary, path) {
  const { stdout, status } = spawnSync(binary, ['hash', path], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${binary} hash ended with ${status}`)
  return speed(path, JSON.parse(stdout).ms)
}

/** `hashFile` over the same. */
export async function hashGaiwan(path) {
  const { hashFile } = await import('../../dist/blobs/index.js')
  const begun = performance.now()
  await hashFile(path)
  return speed(path, performance.now() - begun)
}

/** `cp`, and then the hashing of `hashReference`: one after the other. The page cache is left to the system by both. */
export function copyReference({ folder }, binary, path) {
  const target = join(folder, 'copy')
  const begun = performance.now()
  spawnSync('cp', ['--reflink=never', path, target])
  const ms = performance.now() - begun
  rmSync(target)
  return speed(path, ms + hashReference(binary, path).figures.ms)
}

/** `addFile` into a new store that does not flush. */
export async function importGaiwan({ folder }, path, mode) {
  const { BlobStore } = await import('../../dist/blobs/index.js')
  const directory = join(folder, 'import')
  const store = await BlobStore.open(directory, { durability: 'relaxed' })
  const begun = performance.now()
  await store.addFile(path, { mode })
  const ms = performance.now() - begun
  await store.close()
  rmSync(directory, { recursive: true })
  return speed(path, ms)
}

function speed(path, ms) {
  return { figures: { ms, perSecond: (statSync(path).size / ms) * 1e3 } }
}
