// The package's own manifest.
import { readFileSync } from 'node:fs'

/** Version of the package; `ts/cli` and `dist/cli` lie equally deep below the manifest. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}
