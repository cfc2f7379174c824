// `gaiwan blob tag [NAME] [WHAT]`: names that keep content.
import type { Tag } from '../../blobs/index.js'
import { GaiwanError } from '../../index.js'
import { type Call, wrong } from '../args.js'
import { type Output, printable } from '../output.js'
import type { Store } from './kit.js'
import { inStore } from './store.js'
import { contentOf, contentText } from './what.js'

export async function run(call: Call, output: Output, signal: AbortSignal): Promise<void> {
  const [name, what] = call.operands
  const rename = call.text('rename')
  const asked = [what !== undefined, rename !== undefined, call.flag('delete')].filter(Boolean).length
  if (asked > 1) throw wrong(call.command, 'WHAT, --rename and --delete are three things: give one of them')
  if (name === undefined && asked > 0) throw wrong(call.command, 'NAME is missing')
  await inStore(call, async (store) => {
    const { tags } = store
    if (name !== undefined && rename !== undefined) await tags.rename(name, rename)
    else if (name !== undefined && call.flag('delete')) await remove(tags, name)
    else if (name !== undefined && what !== undefined) {
      const { hash, format } = await contentOf(call, store, what)
      await tags.set(name, hash, format)
    } else for await (const tag of tags.list({ prefix: name ?? '' })) show(tag, output, signal)
  })
}

async function remove(tags: Store['tags'], name: string): Promise<void> {
  // From the name up to what follows it at once: this tag and no other that begins alike.
  const deleted = await tags.delete({ from: name, to: `${name}\0` })
  if (deleted === 0) throw new GaiwanError('TAG_NOT_FOUND', `there is no tag ${JSON.stringify(name)}`)
}

function show({ nameText, hash, format }: Tag, output: Output, signal: AbortSignal): void {
  signal.throwIfAborted()
  output.report({ event: 'tag', name: nameText, hash, format }, `${contentText({ hash, format })}  ${printable(nameText)}`)
}
