// Programs that must run in a process of their own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** The sources under test, as an import specifier. */
export const gaiwan = new URL('../../ts/index.ts', import.meta.url).href
const tsx = import.meta.resolve('tsx')
const top = fileURLToPath(new URL('../..', import.meta.url))

export interface ChildOptions {
  /** Flags of node. */
  readonly flags?: readonly string[]
  readonly env?: Record<string, string>
  /** The process is killed after this, and the test fails [120,000]. */
  readonly timeoutMs?: number
}
export interface ChildResult {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

/** Runs an ES module; `program` may use the names of `gaiwan` and the helper `text`. */
export async function runChild(t: ExecutionContext<unknown>, program: string, options: ChildOptions = {}): Promise<ChildResult> {
  const folder = mkdtempSync(join(tmpdir(), 'gaiwan-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'program.mjs')
  writeFileSync(file, `import * as gaiwan from '${gaiwan}'\n${program}\n`)
  return runFile(file, options)
}

/** Runs a file with the TypeScript loader. */
export async function runFile(file: string, { flags = [], env = {}, timeoutMs = 120_000 }: ChildOptions = {}): Promise<ChildResult> {
  const started = Date.now()
  const { NODE_OPTIONS: _, ...rest } = process.env
  const child = spawn(process.execPath, ['--import', tsx, ...flags, file], { cwd: top, env: { ...rest, ...env } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  return { status, signal, stdout, stderr, ms: Date.now() - started }
}
