// What the command says: reports for people or as JSON, errors in one line, progress on a terminal.
import type { WriteStream } from 'node:tty'
import { UsageError } from './args.js'

/** A field of a JSON report. */
export type Field = string | number | boolean | null | bigint | readonly Field[] | { readonly [name: string]: Field }

/** The user or the system asked the program to end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  constructor(readonly by: 'SIGINT' | 'SIGTERM') {
    super(`interrupted by ${by}`)
  }
  /** As a shell counts it: 128 plus the number of the signal. */
  get status(): number {
    return this.by === 'SIGINT' ? 130 : 143
  }
}

const PROGRESS_MS = 200

/**
 * Where a command reports to. `data: true` is for commands whose stdout carries the user's bytes: their reports go to stderr.
 */
export class Output {
  readonly json: boolean
  #reports: NodeJS.WritableStream
  #drawn = 0
  #width = 0

  constructor({ json, data = false }: { json: boolean; data?: boolean }) {
    this.json = json
    this.#reports = data ? process.stderr : process.stdout
  }

  /** One event: `fields` as one JSON object in a line, or `lines` for people. */
  report(fields: Readonly<Record<string, Field>>, ...lines: readonly string[]): void {
    this.clear()
    if (this.json) this.#reports.write(`${toJson(fields)}\n`)
    else for (const line of lines) this.#reports.write(`${line}\n`)
  }

  /** As `report`, but people see it only on a terminal: what happens meanwhile, not what was asked for. */
  note(fields: Readonly<Record<string, Field>>, line: string): void {
    if (this.json) this.report(fields)
    else this.hint(line)
  }

  /** A line for people at a terminal, and for nobody else. */
  hint(line: string): void {
    if (this.json || !process.stderr.isTTY) return
    this.clear()
    process.stderr.write(`${line}\n`)
  }

  /** A line for people, terminal or not: what they may want to know and no program reads. Goes to stderr. */
  say(line: string): void {
    if (this.json) return
    this.clear()
    process.stderr.write(`${line}\n`)
  }

  /** One event that everybody is told, on the way to what was asked for: programs as `report` does it, people on stderr. */
  tell(fields: Readonly<Record<string, Field>>, line: string): void {
    if (this.json) this.report(fields)
    else this.say(line)
  }

  /** A failure that does not end the command: one line on stderr. */
  warn(error: unknown): void {
    this.clear()
    const { code, message } = explain(error)
    if (this.json) process.stderr.write(`${toJson({ event: 'error', code, message })}\n`)
    else process.stderr.write(`gaiwan: ${message}${code === null ? '' : ` [${code}]`}\n`)
  }

  /** Says why the command ends, in one line, and answers its exit status. */
  fail(error: unknown): number {
    if (error instanceof Interrupted) {
      this.clear()
      return error.status
    }
    this.warn(error)
    return error instanceof UsageError ? 2 : 1
  }

  /** Whether `progress` draws: people look at stderr, and no data of theirs goes to the same terminal. */
  get draws(): boolean {
    return !this.json && process.stderr.isTTY && !(this.#reports === process.stderr && process.stdout.isTTY)
  }

  /** Draws a line of progress over the one before, at most every 200 ms and only where `draws`. It is told its width in columns. */
  progress(line: (columns: number) => string): void {
    if (!this.draws) return
    const now = performance.now()
    if (now - this.#drawn < PROGRESS_MS) return
    this.#drawn = now
    // Some terminals say that they have none.
    const columns = Math.max(10, ((process.stderr as WriteStream).columns || 80) - 1)
    const text = line(columns).slice(0, columns)
    process.stderr.write(`\r${text.padEnd(this.#width)}`)
    this.#width = text.length
  }

  /** Removes the line of progress. */
  clear(): void {
    if (this.#width === 0) return
    process.stderr.write(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }
}

/** The stable code of an error, where it has one, and its message in one line. */
export function explain(error: unknown): { code: string | null; message: string } {
  if (!(error instanceof Error)) return { code: null, message: printable(String(error)) }
  const { code, reason } = error as Error & { code?: unknown; reason?: unknown }
  const said = typeof reason === 'string' && reason !== '' && !error.message.includes(reason) ? `: ${reason}` : ''
  return { code: typeof code === 'string' ? code : null, message: printable(`${error.message}${said}`) }
}

/** Text of a peer or of the system, safe for a terminal: one line, control characters as escapes. */
export function printable(text: string): string {
  return text
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, '0')}`)
}

/** `1.5 MB`: decimal units, as network speeds are told. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)))
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power]}`
}

function toJson(value: Field): string {
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? item.toString() : item))
}
