// `gaiwan id`: the endpoint id of a key.
import { SecretKey } from '../index.js'
import type { Call } from './args.js'
import { keyFrom } from './key-file.js'
import type { Output } from './output.js'

/** Prints the id of the key in `--secret FILE`, making the file if it is missing; without it, of a key that nobody keeps. */
export async function run(call: Call, output: Output): Promise<void> {
  const file = call.text('secret')
  if (file === undefined) {
    const { id } = SecretKey.generate()
    output.report({ id, file: null, created: true }, id)
    output.hint('This key is not kept: add --secret FILE to keep it.')
    return
  }
  const { key, created, warning } = await keyFrom(file)
  if (warning) output.warn(warning)
  output.report({ id: key.id, file, created }, key.id)
}
