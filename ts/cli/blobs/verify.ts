// `gaiwan blob verify [WHAT...]`: reads everything again; fails when something is not what it was.
import type { VerifyEvent } from '../../blobs/index.js'
import type { Call } from '../args.js'
import { bytesText, type Output, printable } from '../output.js'
import { inStore } from './store.js'
import { contentOf } from './what.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  await inStore(call, async (store) => {
    const hashes: string[] = []
    for (const text of call.operands) hashes.push((await contentOf(call, store, text)).hash)
    let bad = 0
    let bytes = 0
    for await (const event of store.verify({ signal, repair: call.flag('repair'), ...(hashes.length > 0 && { hashes }) })) {
      if (event.type === 'ok') bytes += event.size
      if (event.type === 'bad' || event.type === 'missing') bad++
      output.progress(() => `verifying, ${bytesText(bytes)}`)
      show(event, output)
    }
    if (bad > 0) throw new Error(bad === 1 ? 'one blob is bad' : `${bad} blobs are bad`)
  })
}

function show(event: VerifyEvent, output: Output): void {
  switch (event.type) {
    case 'ok':
      if (output.json) output.report({ event: 'ok', hash: event.hash, size: event.size })
      break
    case 'bad': {
      const { hash, badRanges, repaired } = event
      const bytes = badRanges.reduce((sum, { start, end }) => sum + end - start, 0)
      const ranges = badRanges.map(({ start, end }) => ({ start, end }))
      output.report(
        { event: 'bad', hash, badRanges: ranges, repaired },
        `${hash}  ${bytesText(bytes)} are bad${repaired ? ', taken out' : ''}`,
      )
      break
    }
    case 'missing':
      output.report({ event: 'missing', hash: event.hash, path: event.path }, `${event.hash}  ${printable(event.path)} is missing`)
      break
    case 'done': {
      const { blobs, bytes, bad } = event
      output.report({ event: 'done', blobs, bytes, bad }, `${blobs === 1 ? '1 blob' : `${blobs} blobs`}, ${bytesText(bytes)}, ${bad} bad`)
    }
  }
}
