#!/usr/bin/env node
// The command `gaiwan`: finds the command, runs it, and turns how it ended into an exit status.
import { COMMON, commandHelp, overview, parseCall, UsageError } from './args.js'
import { ALIASES, COMMANDS, type Command } from './commands.js'
import { packageVersion } from './manifest.js'
import { Interrupted, Output } from './output.js'

async function main(args: readonly string[]): Promise<number> {
  let output = new Output({ json: args.includes('--json') })
  try {
    const [first] = args
    if (first === undefined) throw new UsageError('a command is missing (see "gaiwan --help")')
    if (first.startsWith('-') || first === 'help') return general(first, args.slice(1), output)
    const { name, rest } = commandOf(args)
    const command = specOf(name)
    if (command === undefined) {
      if (isGroup(name)) return group(name, rest)
      throw new UsageError(`there is no command ${JSON.stringify(name)}${likely(name)} (see "gaiwan --help")`)
    }
    const call = parseCall(name, command, rest)
    if (call.flag('help')) return print(commandHelp(name, command))
    if (call.flag('version')) return version(output)
    const data = typeof command.data === 'function' ? command.data(call) : (command.data ?? false)
    output = new Output({ json: call.flag('json'), data })
    const { run } = await command.load()
    await run(call, output, interrupts())
    output.clear()
    return 0
  } catch (error) {
    return output.fail(error)
  }
}

/** The command at the start of `args`, its own name even if an alias was used; a name that is none is answered as it is. */
function commandOf(args: readonly string[]): { name: string; rest: readonly string[] } {
  for (const words of [2, 1]) {
    const said = args.slice(0, words).join(' ')
    const name = Object.hasOwn(ALIASES, said) ? ALIASES[said]! : said
    if (Object.hasOwn(COMMANDS, name)) return { name, rest: args.slice(words) }
  }
  const [first = ''] = args
  return { name: first, rest: args.slice(1) }
}

function specOf(name: string): Command | undefined {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
}

function isGroup(name: string): boolean {
  return Object.keys(COMMANDS).some((command) => command.startsWith(`${name} `))
}

/** A group without one of its commands: `gaiwan blob --help`, or wrong usage. */
function group(name: string, rest: readonly string[]): number {
  if (rest.includes('--help') || rest.includes('-h')) return print(overview(COMMANDS, name))
  const [next] = rest
  const problem =
    next === undefined || next.startsWith('-') ? 'a command is missing' : `there is no command ${JSON.stringify(`${name} ${next}`)}`
  throw new UsageError(`${problem} (see "gaiwan ${name} --help")`)
}

/** `gaiwan --help`, `gaiwan help [COMMAND]`, `gaiwan --version`. */
function general(first: string, rest: readonly string[], output: Output): number {
  const { name } = commandOf(rest)
  const asked = first === 'help' ? specOf(name) : undefined
  if (asked !== undefined) return print(commandHelp(name, asked))
  if (first === 'help' && isGroup(name)) return print(overview(COMMANDS, name))
  if (first === 'help' || first === '--help' || first === '-h') return print(overview(COMMANDS))
  if (first === '--version' || first === '-V') return version(output)
  if (first === '--json' && rest.includes('--version')) return version(output)
  const common = Object.hasOwn(COMMON, first.replace(/^--?/, '').split('=')[0]!)
  throw new UsageError(common ? 'the command comes first (see "gaiwan --help")' : `unknown option '${first}' (see "gaiwan --help")`)
}

function version(output: Output): number {
  const version = packageVersion()
  output.report({ version }, `gaiwan ${version}`)
  return 0
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

/** `, did you mean "listen"?` for a command that begins alike. */
function likely(name: string): string {
  const found = Object.keys(COMMANDS).find((command) => name.length > 1 && command.startsWith(name.slice(0, 3)))
  return found === undefined ? '' : `, did you mean "${found}"?`
}

/** A signal that the first SIGINT or SIGTERM aborts; the second ends the process at once, as if nobody listened. */
function interrupts(): AbortSignal {
  const controller = new AbortController()
  for (const by of ['SIGINT', 'SIGTERM'] as const) {
    process.on(by, () => {
      const interrupted = new Interrupted(by)
      if (controller.signal.aborted) process.exit(interrupted.status)
      controller.abort(interrupted)
    })
  }
  return controller.signal
}

// A reader of our reports or of the data that goes away is no crash. Whoever copies data hears of it by a listener of its own.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

main(process.argv.slice(2)).then((status) => {
  process.exitCode = status
  // Who interrupts does not wait for a slow reader; else the last bytes go out first. Exiting rather than running dry:
  // a terminal or pipe that is still open for reading must not keep a finished command alive.
  if (status >= 130) process.exit()
  process.stdout.write('', () => process.exit())
})
