// Log lines of the native core.
import { native } from '../native.js'
import { type Bytes, text } from '../wire/bytes.js'
import { func, oneOf } from '../wire/check.js'
import { type Bridge, onBridge } from './bridge.js'
import type { Sink } from './call.js'

export type LogLevel = 'off' | 'error' | 'warn' | 'info' | 'debug' | 'trace'
export interface LogRecord {
  readonly level: Exclude<LogLevel, 'off'>
  readonly target: string
  readonly message: string
  readonly time: Date
}
/** What takes the lines. */
export interface Logger {
  readonly level: LogLevel
  readonly fn: (records: readonly LogRecord[]) => void
}

const LEVELS = ['off', 'error', 'warn', 'info', 'debug', 'trace'] as const

let wanted: Logger | null = null
let owner: Bridge | null = null
/** The subscription of the logger in use, 0 for none. */
let current = 0
let asked = false

/** Log lines of the native core on stderr ['warn']. */
export function setLogLevel(level: LogLevel): void {
  native.setLogLevel(oneOf(level, 'level', LEVELS))
}

/** Takes log lines in place of stderr, in batches; null gives them back. Ids are short, secrets never in them. */
export function setLogger(logger: Logger | null): void {
  if (logger !== null) {
    if (typeof logger !== 'object') throw new TypeError('logger: expected { level, fn } or null')
    oneOf(logger.level, 'logger.level', LEVELS)
    func(logger.fn, 'logger.fn')
  }
  wanted = logger
  if (owner !== null) apply(owner)
  else if (!asked) {
    asked = true
    // The runtime must not start for this alone: it may still be configured.
    onBridge((bridge) => {
      owner = bridge
      apply(bridge)
    })
  }
}

function apply(bridge: Bridge): void {
  if (current !== 0) bridge.cancel(current)
  current = 0
  if (wanted !== null) {
    current = bridge.nextId()
    bridge.listen(current, new LogSink(wanted.fn))
  }
  bridge.direct.logger(current, wanted?.level ?? 'warn')
}

class LogSink implements Sink {
  readonly #fn: Logger['fn']
  #batch: LogRecord[] = []

  constructor(fn: Logger['fn']) {
    this.#fn = fn
  }

  take(level: number, body: Bytes): void {
    const { target, message, timeMs } = JSON.parse(text(body)) as { target: string; message: string; timeMs: number }
    if (this.#batch.length === 0) queueMicrotask(() => this.#flush())
    this.#batch.push({ level: LEVELS[level] as LogRecord['level'], target, message, time: new Date(timeMs) })
  }

  end(): void {}

  #flush(): void {
    const batch = this.#batch
    this.#batch = []
    this.#fn(batch)
  }
}
