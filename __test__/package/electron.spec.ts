// What Electron demands of an addon, read from the file that ships: no array buffers over foreign memory, and no symbol of Node.js, V8 or
// libuv beside Node-API, whose versions Electron keeps. It is not run here: its binary is no npm package.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { top } from './folders.js'
import { host } from './tarball.js'

/** Names in the file that look like a function of Node-API, V8 or libuv, wherever they stand in it. */
function names(): string[] {
  const text = readFileSync(join(top, host.file), 'latin1')
  return [...new Set(text.match(/(?<![A-Za-z0-9])(?:napi_|node_api_|uv_|_ZN2v8)\w+/g) ?? [])].sort()
}

test('the addon cannot make an external buffer: it does not import what makes them', (t) => {
  const found = names()
  t.true(found.includes('napi_create_arraybuffer'), 'the names are there to be read')
  t.deepEqual(
    found.filter((name) => /external/.test(name)),
    [],
  )
})

test('the addon asks for Node-API alone, not for V8 or libuv', (t) => {
  t.deepEqual(
    names().filter((name) => /^(uv_|_ZN2v8)/.test(name)),
    [],
  )
})
