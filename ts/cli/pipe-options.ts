// Options of the commands that pipe. Apart from `dumbpipe.ts`, because help must not need the native addon.
import type { OptionSpec } from './args.js'

/** Of all commands that speak the pipe protocol. */
export const PIPE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'custom-alpn': { value: 'ALPN', about: 'speak ALPN (utf8:TEXT or hex), without handshake bytes' },
}
/** Of `listen` and `connect`. */
export const STDIO_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  'recv-only': { about: 'send nothing: stdin is not read' },
  ...PIPE_OPTIONS,
}
