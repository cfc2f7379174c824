// Where things lie: the store of the user, what a transfer keeps until it is done, and stores that live for one run.
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import type { BlobFormat } from '../../blobs/index.js'
import type { Call } from '../args.js'

/** What decides about places. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  readonly home: string
}

const here = (): Surroundings => ({ env: process.env, platform: process.platform, home: homedir() })

/** The folder for what can be made again: XDG on Linux and the like, else what the system has for it. */
export function cacheDirectory({ env, platform, home }: Surroundings = here()): string {
  if (platform === 'darwin') return join(home, 'Library/Caches/gaiwan')
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(home, 'AppData/Local'), 'gaiwan', 'cache')
  return join(absolute(env.XDG_CACHE_HOME) ?? join(home, '.cache'), 'gaiwan')
}

/** The folder for what is to be kept. */
export function dataDirectory({ env, platform, home }: Surroundings = here()): string {
  if (platform === 'darwin') return join(home, 'Library/Application Support/gaiwan')
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(home, 'AppData/Local'), 'gaiwan', 'data')
  return join(absolute(env.XDG_DATA_HOME) ?? join(home, '.local/share'), 'gaiwan')
}

/** The store of the `blob` commands: `--store`, `$GAIWAN_STORE`, or that of the user. */
export function storeDirectory(call: Call, surroundings: Surroundings = here()): string {
  const chosen = call.text('store') ?? surroundings.env.GAIWAN_STORE
  return chosen ? resolve(chosen) : join(dataDirectory(surroundings), 'blobs')
}

/** Where a transfer keeps what arrived. By content, so that another ticket for the same goes on there. */
export function receiveDirectory(hash: string, format: BlobFormat, surroundings: Surroundings = here()): string {
  return join(cacheDirectory(surroundings), 'receive', `${format === 'hashSeq' ? 's' : ''}${hash}`)
}

/** Makes a folder of the user's own, readable by nobody else. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** A new folder for a store of this run; what earlier runs left behind when they were killed is removed. */
export async function temporaryDirectory(surroundings: Surroundings = here()): Promise<string> {
  const root = join(cacheDirectory(surroundings), 'send')
  await makeDirectory(root)
  for (const name of await readdir(root)) {
    const [, owner] = /^(\d+)-[0-9a-f]+$/.exec(name) ?? []
    if (owner !== undefined && !isAlive(Number(owner))) await rm(join(root, name), { recursive: true, force: true })
  }
  const path = join(root, `${process.pid}-${randomBytes(8).toString('hex')}`)
  await mkdir(path, { mode: 0o700 })
  return path
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of somebody else is alive too.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Relative paths in these variables are to be ignored (XDG base directory specification 0.8). */
function absolute(path: string | undefined): string | null {
  return path !== undefined && isAbsolute(path) ? path : null
}
