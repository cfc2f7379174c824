/** A process that answers in JSON lines, of the benches of single protocols. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** Starts a command line; `line()` is its next line, parsed. */
export function child([command, ...args]) {
  const process = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]()
  const ended = once(process, 'exit')
  const line = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${command} ${args[0]} ended without a word`)
    return JSON.parse(value)
  }
  return { process, ended, line }
}
