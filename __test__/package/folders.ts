import { spawnSync } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

/** The top of the repository. */
export const top = fileURLToPath(new URL('../..', import.meta.url))

/** A new empty folder, removed with all that is in it when the test ends. */
export function temporaryFolder(t: ExecutionContext): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gaiwan-package-')))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Environment without the variables by which a developer may have pointed the loader elsewhere. */
function cleanEnvironment(extra: Record<string, string>): NodeJS.ProcessEnv {
  const { GAIWAN_NATIVE_PATH, NAPI_RS_NATIVE_LIBRARY_PATH, GAIWAN_PREBUILD, NODE_OPTIONS, ...rest } = process.env
  return { ...rest, ...extra }
}

/** Runs node with `args` in `cwd` to its end and answers what it printed. */
export function runNode(
  cwd: string,
  args: string[],
  env: Record<string, string> = {},
): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, env: cleanEnvironment(env), encoding: 'utf8' })
  return { status, stdout, stderr }
}
