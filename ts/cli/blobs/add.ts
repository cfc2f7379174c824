// `gaiwan blob add PATH...`: into the store, and stays there until its tag goes.
import { type Call, wrong } from '../args.js'
import { bytesText, type Output, printable } from '../output.js'
import { importSources, progressOf } from './import.js'
import type { Store } from './kit.js'
import { Meter } from './meter.js'
import { lookAt, type Source, type Sources } from './sources.js'
import { inStore } from './store.js'
import { contentText } from './what.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const job = jobOf(call, output, signal)
  const fromStdin = call.operands.includes('-')
  if (fromStdin && (call.operands.length > 1 || call.flag('reference') || call.flag('collection'))) {
    throw wrong(call.command, '- takes no other path, --reference or --collection beside it')
  }
  const sources = fromStdin ? null : await lookAt(call.operands, signal)
  await inStore(call, async (store) => {
    if (sources === null) await addStdin(store, job)
    else if (call.flag('collection')) {
      const { hash, totalBytes, entries } = await importSources(store, sources, job)
      report(job, { path: null, hash, format: 'hashSeq', size: totalBytes, files: entries.length })
    } else for (const [n, source] of sources.list.entries()) await addSource(store, source, sources, job, n)
  })
}

interface Job {
  readonly mode: 'copy' | 'reference'
  /** Several paths with one tag would take it from each other. */
  readonly tag?: string
  readonly signal: AbortSignal
  readonly meter: Meter
  readonly output: Output
}

function jobOf(call: Call, output: Output, signal: AbortSignal): Job {
  const tag = call.text('tag')
  if (tag !== undefined && call.operands.length > 1 && !call.flag('collection')) {
    throw wrong(call.command, '--tag names one thing: give one path, or --collection')
  }
  return {
    mode: call.flag('reference') ? 'reference' : 'copy',
    ...(tag !== undefined && { tag }),
    signal,
    meter: new Meter(output, { quiet: call.flag('no-progress') }),
    output,
  }
}

async function addStdin(store: Store, job: Job): Promise<void> {
  const { tag, signal, meter } = job
  const onProgress = ({ bytes }: { bytes: number }) => meter.update({ phase: 'reading', bytes, totalBytes: null })
  const { hash, size } = await store.add(process.stdin as AsyncIterable<Uint8Array>, {
    ...(tag !== undefined && { tag }),
    signal,
    onProgress,
  })
  meter.done()
  report(job, { path: '-', hash, format: 'raw', size, files: 1 })
}

async function addSource(store: Store, source: Source, all: Sources, job: Job, place: number): Promise<void> {
  const { mode, tag, signal, meter } = job
  const earlier = all.list.slice(0, place)
  const before = { bytes: earlier.reduce((sum, { bytes }) => sum + bytes, 0), files: earlier.reduce((sum, { files }) => sum + files, 0) }
  const options = { mode, ...(tag !== undefined && { tag }), signal, onProgress: progressOf(source, all, before, meter) }
  if (source.kind === 'file') {
    const { hash, size } = await store.addFile(source.path, options)
    meter.done()
    return report(job, { path: source.path, hash, format: 'raw', size, files: 1 })
  }
  const { hash, totalBytes, entries } = await store.addDirectory(source.path, options)
  meter.done()
  report(job, { path: source.path, hash, format: 'hashSeq', size: totalBytes, files: entries.length })
}

interface Added {
  readonly path: string | null
  readonly hash: string
  readonly format: 'raw' | 'hashSeq'
  readonly size: number
  readonly files: number
}

function report({ output, tag }: Job, { path, ...added }: Added): void {
  const line = `${contentText(added)}  ${bytesText(added.size)}${path === null ? '' : `  ${printable(path)}`}`
  output.report({ event: 'added', path, ...added, ...(tag !== undefined && { tag }) }, line)
}
