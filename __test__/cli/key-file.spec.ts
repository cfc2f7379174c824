import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { SecretKey } from '../../ts/index.js'
import { Command, folder, gaiwan, jsonLines, LOOPBACK } from './command.js'

const ID = /^[0-9a-f]{64}$/

test('id makes a key file of mode 0600: hex and a newline', async (t) => {
  const file = join(folder(t), 'key')
  const { status, stdout, stderr } = await gaiwan(t, ['id', '--secret', file])
  t.is(status, 0)
  t.is(stderr, '')
  const text = readFileSync(file, 'latin1')
  t.regex(text, /^[0-9a-f]{64}\n$/)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.is(stdout.toString(), `${SecretKey.from(text.trim()).id}\n`)
})

test('a key file is kept: the same id again', async (t) => {
  const file = join(folder(t), 'key')
  const first = await gaiwan(t, ['id', '--secret', file, '--json'])
  const text = readFileSync(file, 'latin1')
  const second = await gaiwan(t, ['id', '--secret', file, '--json'])
  const [made] = jsonLines(first.stdout.toString())
  const [found] = jsonLines(second.stdout.toString())
  t.deepEqual(made, { id: made!.id, file, created: true })
  t.deepEqual(found, { id: made!.id, file, created: false })
  t.is(readFileSync(file, 'latin1'), text)
})

test('id without a file prints an id, another one each time', async (t) => {
  const ids = await Promise.all([gaiwan(t, ['id']), gaiwan(t, ['id'])])
  for (const { status, stdout } of ids) {
    t.is(status, 0)
    t.regex(stdout.toString().trimEnd(), ID)
  }
  t.notDeepEqual(ids[0].stdout, ids[1].stdout)
})

test('id with --json is one object', async (t) => {
  const { stdout, stderr } = await gaiwan(t, ['id', '--json'])
  t.is(stderr, '')
  const objects = jsonLines(stdout.toString())
  t.is(objects.length, 1)
  t.deepEqual(Object.keys(objects[0]!), ['id', 'file', 'created'])
  t.regex(String(objects[0]!.id), ID)
})

test('a file that holds no key fails in one line, is not quoted and not overwritten', async (t) => {
  const file = join(folder(t), 'key')
  writeFileSync(file, 'my diary of tea\n', { mode: 0o600 })
  const { status, stdout, stderr } = await gaiwan(t, ['id', '--secret', file])
  t.is(status, 1)
  t.is(stdout.length, 0)
  t.regex(stderr, /^gaiwan: [^\n]*holds no secret key[^\n]*\n$/)
  t.notRegex(stderr, /diary/)
  t.is(readFileSync(file, 'latin1'), 'my diary of tea\n')
})

test('a path that cannot be used fails in one line', async (t) => {
  const path = folder(t)
  const missing = await gaiwan(t, ['id', '--secret', join(path, 'no-such-folder/key')])
  t.is(missing.status, 1)
  t.regex(missing.stderr, /^gaiwan: the key file [^\n]* cannot be created: no such file or directory\n$/)
  mkdirSync(join(path, 'folder'))
  const directory = await gaiwan(t, ['id', '--secret', join(path, 'folder')])
  t.is(directory.status, 1)
  t.regex(directory.stderr, /^gaiwan: the key file [^\n]* cannot be read: [^\n]+\n$/)
})

test('a dangling link is not followed to make a key', async (t) => {
  const path = folder(t)
  symlinkSync(join(path, 'elsewhere'), join(path, 'key'))
  const { status, stderr } = await gaiwan(t, ['id', '--secret', join(path, 'key')])
  t.is(status, 1)
  t.regex(stderr, /cannot be read/)
  t.false(existsSync(join(path, 'elsewhere')))
})

test('a key file that others may read works with a warning', async (t) => {
  const file = join(folder(t), 'key')
  await gaiwan(t, ['id', '--secret', file])
  chmodSync(file, 0o644)
  const { status, stderr } = await gaiwan(t, ['id', '--secret', file])
  t.is(status, 0)
  t.regex(stderr, /^gaiwan: the key file [^\n]* is open to others[^\n]*\n$/)
})

test('a listening command has the id of its key file, and no command ever prints the key', async (t) => {
  const file = join(folder(t), 'key')
  const key = SecretKey.generate()
  const hex = Buffer.from(key.toBytes()).toString('hex')
  writeFileSync(file, `${hex}\n`, { mode: 0o600 })
  const listen = Command.start(t, ['listen', ...LOOPBACK, '--json', '--secret', file])
  t.is((await listen.event('listening')).id, key.id)
  listen.stdin.end('from listen')
  const outputs = [
    await gaiwan(t, ['connect', ...LOOPBACK, '--json', await listen.ticket()], 'from connect'),
    await listen.ended,
    await gaiwan(t, ['id', '--json', '--secret', file]),
    await gaiwan(t, ['doctor', ...LOOPBACK, '--secret', file]),
    await gaiwan(t, ['listen-tcp', '--secret', file]),
  ]
  t.deepEqual(
    outputs.map(({ status }) => status),
    [0, 0, 0, 0, 2],
  )
  const base64 = Buffer.from(key.toBytes()).toString('base64').slice(0, 40)
  for (const { stdout, stderr } of outputs) {
    const all = `${stdout}${stderr}`
    t.false(all.toLowerCase().includes(hex.slice(0, 16)))
    t.false(all.includes(base64))
  }
})
