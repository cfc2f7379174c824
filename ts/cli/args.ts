// Reads the command line: which command, its options, its operands. Knows nothing of what commands do.
import { parseArgs } from 'node:util'

/** A command was called wrongly: one line on stderr and exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** One option. With `value` it takes an argument, which help shows by that name. */
export interface OptionSpec {
  readonly value?: string
  readonly short?: string
  readonly multiple?: boolean
  readonly required?: boolean
  readonly about: string
}

/** One command, as the table in `main.ts` lists it. */
export interface CommandSpec {
  readonly about: string
  /** Names of the operands: `PATH` must be given, `[PATH]` may be, `PATH...` and `[PATH...]` at the end are as many as there are. */
  readonly operands?: readonly string[]
  readonly options?: Readonly<Record<string, OptionSpec>>
  /** Paragraphs below the options in the help of the command. */
  readonly notes?: readonly string[]
}

/** Options of every command. */
export const COMMON: Readonly<Record<string, OptionSpec>> = {
  json: { about: 'report as JSON, one object a line' },
  secret: { value: 'FILE', about: 'keep the secret key in FILE, made if missing [none]' },
  bind: { value: 'ADDR', multiple: true, about: 'UDP ip:port or [v6]:port, repeatable [a free port]' },
  help: { short: 'h', about: 'show this help' },
  version: { short: 'V', about: 'show the version' },
}

/** A parsed command line. */
export class Call {
  constructor(
    readonly command: string,
    readonly operands: readonly string[],
    private readonly values: Readonly<Record<string, unknown>>,
  ) {}

  flag(name: string): boolean {
    return this.values[name] === true
  }

  /** The value of an option that was given. */
  text(name: string): string | undefined {
    const value = this.values[name]
    return typeof value === 'string' ? value : undefined
  }

  /** The values of an option that may be repeated, in the order given. */
  texts(name: string): string[] {
    const value = this.values[name]
    return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
  }
}

/**
 * Reads what follows the command's name.
 *
 * @throws {UsageError} an option that the command does not know, an option without its value, operands missing or too many.
 */
export function parseCall(command: string, spec: CommandSpec, args: readonly string[]): Call {
  const options = { ...COMMON, ...spec.options }
  const { values, positionals } = parse(command, options, args)
  const call = new Call(command, positionals, values)
  // Whoever asks for help need not get the rest right.
  if (call.flag('help') || call.flag('version')) return call
  const operands = spec.operands ?? []
  const missing = operands[positionals.length]
  if (missing !== undefined && !missing.startsWith('[')) throw wrong(command, `${missing.replace('...', '')} is missing`)
  if (positionals.length > operands.length && !/\.\.\.\]?$/.test(operands.at(-1) ?? ''))
    throw wrong(command, `one operand too many (${positionals.length} given, ${operands.length} taken)`)
  for (const [name, option] of Object.entries(options)) {
    if (option.required && values[name] === undefined) throw wrong(command, `--${name} ${option.value} is missing`)
  }
  return call
}

function parse(command: string, options: Readonly<Record<string, OptionSpec>>, args: readonly string[]) {
  const entries = Object.entries(options).map(([name, { value, short, multiple }]) => [
    name,
    { type: value === undefined ? 'boolean' : 'string', ...(short && { short }), ...(multiple && { multiple }) } as const,
  ])
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: Object.fromEntries(entries),
      allowPositionals: true,
      strict: true,
    })
    return { values: values as Readonly<Record<string, unknown>>, positionals }
  } catch (error) {
    // The first sentence of Node's message names the option; the others explain `--`.
    const [first] = (error instanceof Error ? error.message : String(error)).split(/\.\s|\n/)
    throw wrong(command, first!.charAt(0).toLowerCase() + first!.slice(1))
  }
}

/** A `UsageError` that says where to look. */
export function wrong(command: string, problem: string): UsageError {
  return new UsageError(`${problem} (see "gaiwan ${command} --help")`)
}

/** Help of one command. */
export function commandHelp(command: string, spec: CommandSpec): string {
  const operands = (spec.operands ?? []).map((name) => ` ${name}`).join('')
  const own = Object.entries(spec.options ?? {})
  const required = own.filter(([, option]) => option.required).map(([name, option]) => ` --${name} ${option.value}`)
  const lines = [`Usage: gaiwan ${command}${required.join('')}${operands} [OPTION]...`, '', sentence(spec.about), '', 'Options:']
  lines.push(...table([...own, ...Object.entries(COMMON)].map(([name, option]) => [optionName(name, option), option.about])))
  for (const note of spec.notes ?? []) lines.push('', note)
  return `${lines.join('\n')}\n`
}

/** Help of the whole: every command in a line; or of the commands that begin with one word. */
export function overview(commands: Readonly<Record<string, CommandSpec>>, group?: string): string {
  const shown = Object.entries(commands).filter(([name]) => group === undefined || name.startsWith(`${group} `))
  const names = shown.map(([name, { operands = [], about }]) => [[name, ...operands].join(' '), about])
  const usage = `Usage: gaiwan ${group === undefined ? '' : `${group} `}COMMAND [OPTION]...`
  const lines = [usage, '', 'Peer-to-peer QUIC: endpoints that are dialed by public key.', '', 'Commands:']
  lines.push(...table(names), '', 'Options of every command:')
  lines.push(...table(Object.entries(COMMON).map(([name, option]) => [optionName(name, option), option.about])))
  lines.push(
    '',
    'Exit status: 0 done, 1 failed (one line on stderr says why), 2 wrong usage,',
    '130 and 143 it was interrupted before it was done.',
  )
  return `${lines.join('\n')}\n`
}

function optionName(name: string, { short, value }: OptionSpec): string {
  return `${short ? `-${short}, ` : '    '}--${name}${value === undefined ? '' : ` ${value}`}`
}

function table(rows: ReadonlyArray<readonly string[]>): string[] {
  const width = Math.max(...rows.map(([left]) => left!.length))
  return rows.map(([left, right]) => `  ${left!.padEnd(width)}  ${right}`)
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
