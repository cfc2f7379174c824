// The example service and its twin in Rust: each client calls each service, and says the same.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { top } from '../examples/programs.js'
import { program } from './peer.js'

type Test = ExecutionContext<unknown>

/** The two programs; both take `serve` and `call ID ADDRESS`. */
const LANGUAGES = {
  TypeScript: [process.execPath, `--import=${import.meta.resolve('tsx')}`, 'examples/storage-service.ts'],
  Rust: [program(), 'storage'],
} as const
type Language = keyof typeof LANGUAGES

const SAID = [
  'set sencha: stored',
  'set without a key: refused, EmptyKey',
  'set a novel: refused, at most 1024 bytes',
  'get sencha: 70 °C',
  'get coffee: nothing',
  'set many: 2 of 3 stored',
  'list: assam, oolong, sencha',
  'lookup assam: 95 °C',
  'lookup coffee: nothing',
  'lookup oolong: 85 °C',
  'after clear: nothing',
]

function start(t: Test, language: Language, ...args: string[]): ChildProcessByStdio<Writable, Readable, null> {
  const [file, ...words] = LANGUAGES[language]
  const child = spawn(file, [...words, ...args], { cwd: top, stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill('SIGKILL'))
  return child
}

/** Starts a service, which ends with the test; where it is. */
async function serves(t: Test, language: Language): Promise<{ where: string[]; end(): Promise<number | null> }> {
  const child = start(t, language, 'serve')
  const ended = once(child, 'exit')
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])) as [unknown]
  const found = /^serving at ([0-9a-f]{64}) (127\.0\.0\.1:\d+)$/.exec(`${line}`)
  if (found === null) throw new Error(`the service in ${language} says ${line}`)
  return {
    where: found.slice(1),
    end: async () => {
      child.stdin.end()
      return (await ended)[0] as number | null
    },
  }
}

/** Runs a client to its end; what it says. */
async function calls(t: Test, language: Language, where: readonly string[]): Promise<{ status: number | null; lines: string[] }> {
  const child = start(t, language, 'call', ...where)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, lines }
}

for (const service of ['Rust', 'TypeScript'] as const) {
  for (const client of ['TypeScript', 'Rust'] as const) {
    test(`a client in ${client} calls the example service in ${service}`, async (t) => {
      const { where, end } = await serves(t, service)
      t.deepEqual(await calls(t, client, where), { status: 0, lines: SAID })
      t.deepEqual(await calls(t, client, where), { status: 0, lines: SAID }, 'a second caller finds it as the first did')
      t.is(await end(), 0)
    })
  }
}
