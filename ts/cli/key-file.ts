// The file that `--secret` names: an ed25519 secret key as 64 hex digits and a newline, readable by its owner only.
import { open, readFile, rm, stat } from 'node:fs/promises'
import { SecretKey } from '../index.js'

/** A key and where it comes from. */
export interface FoundKey {
  readonly key: SecretKey
  readonly created: boolean
  /** What is wrong with the file although its key was read, in one line. */
  readonly warning?: string
}

/**
 * Reads the key in `path`, or makes a new one there if the file is missing.
 * A file is created with mode 0600 and `O_EXCL`, so it never overwrites a key and never follows a link that was laid out.
 *
 * @throws {Error} the file cannot be read or written, or holds no key. The message never quotes what is in it.
 */
export async function keyFrom(path: string): Promise<FoundKey> {
  try {
    return { key: await create(path), created: true }
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw new Error(`the key file ${path} cannot be created: ${reasonOf(error)}`)
  }
  const text = await readFile(path, 'latin1').catch((error: unknown) => {
    throw new Error(`the key file ${path} cannot be read: ${reasonOf(error)}`)
  })
  const digits = text.trim()
  if (!/^[0-9a-f]{64}$/i.test(digits)) throw new Error(`the file ${path} holds no secret key: 64 hex digits and a newline are expected`)
  const warning = await openToOthers(path)
  return { key: SecretKey.from(digits.toLowerCase()), created: false, ...(warning && { warning }) }
}

async function create(path: string): Promise<SecretKey> {
  const file = await open(path, 'wx', 0o600)
  try {
    const key = SecretKey.generate()
    await file.writeFile(`${Buffer.from(key.toBytes()).toString('hex')}\n`)
    await file.sync()
    return key
  } catch (error) {
    // A file without a whole key would stand in the way for ever.
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
}

async function openToOthers(path: string): Promise<string | null> {
  // Windows has no such bits; Node shows made-up ones there.
  if (process.platform === 'win32') return null
  const { mode } = await stat(path)
  return mode & 0o077 ? `the key file ${path} is open to others: run "chmod 600" on it` : null
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** `permission denied`, without the path that Node repeats. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/^[A-Z]+: /, '').replace(/, \w+ '.*'$/s, '')
}
