import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { BlobStore, BlobTicket } from '../../../ts/blobs/index.js'
import { SecretKey } from '../../../ts/index.js'
import { until } from '../../helpers/store.js'
import { Command, jsonLines, LOOPBACK } from '../command.js'
import { filesBelow } from './files.js'
import { User } from './start.js'

const MEBI = 1 << 20
/** Sixteen seconds of sending: whatever cuts a run short does so long before its end, on a busy machine too. */
const LONG = 16 * MEBI
const SLOW = ['--max-rate', '1M'] as const

/** A folder with some files, and what they hold. */
function folderOf(user: User, name: string, bytes = 300_000): Record<string, Buffer> {
  const files: Record<string, Buffer> = { 'a.bin': randomBytes(bytes), 'sub/b c.txt': Buffer.from('tea'), 'sub/empty': Buffer.alloc(0) }
  for (const [file, data] of Object.entries(files)) writeFileSync(user.path(name, file), data)
  return files
}

function sameFiles(t: ExecutionContext, directory: string, files: Readonly<Record<string, Buffer>>): void {
  t.deepEqual(filesBelow(directory).sort(), Object.keys(files).sort())
  for (const [name, data] of Object.entries(files)) t.true(readFileSync(join(directory, name)).equals(data), name)
}

/** The first progress of the files themselves: before it there may be one of their list and names alone. */
function arrived(receive: Command) {
  return receive.until(({ stdout }) => jsonLines(stdout).find(({ event, bytes }) => event === 'progress' && Number(bytes) >= MEBI))
}

/** How many blobs of so many bytes are whole for good: what proves them is in the database then, and in no file of its own any more. */
function settled(data: string, bytes: number): number {
  const whole = readdirSync(data).filter((name) => name.endsWith('.data') && statSync(join(data, name)).size === bytes)
  // Looked for last: while the database has not answered it is there.
  return whole.filter((name) => !existsSync(join(data, name.replace('.data', '.outboard')))).length
}

test('a folder goes from send to receive, and neither leaves anything behind', async (t) => {
  const user = new User(t)
  const files = folderOf(user, 'photos')
  const send = user.start('send', user.path('photos'))
  const listening = await send.event('listening')
  t.like(listening, { files: 3, bytes: 300_003, format: 'hashSeq' })
  const { status, stdout, stderr } = await user.run('receive', String(listening.ticket), user.path('out'))
  t.is(status, 0)
  t.is(stdout.toString(), `Received 3 files in ${user.path('out')}.\n`)
  // A run that takes long tells every ten seconds how far it is.
  t.regex(stderr, /^Fetching 3 files\.\n(?:fetching, [^\n]+\n)*[\d.]+ k?B in [\d.]+ s, [\d.]+ [kMG]?B\/s\.\n$/)
  sameFiles(t, user.path('out/photos'), files)
  t.deepEqual(user.left('receive'), [])
  t.is(user.left('send').length, 1)
  await send.until(({ stdout }) =>
    jsonLines(stdout).some(({ event, bytes }) => event === 'completed' && Number(bytes) >= 300_003) ? true : undefined,
  )
  send.kill('SIGINT')
  const ended = await send.ended
  t.is(ended.status, 0)
  t.deepEqual(user.left('send'), [])
  // The folder itself was only read.
  sameFiles(t, user.path('photos'), files)
})

test('people get the ticket as the last word of send, and see who fetched what', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('one.txt'), 'tea')
  const send = user.start('send', user.path('one.txt'))
  await send.event('listening')
  send.kill('SIGTERM')
  await send.ended
  // The same without --json.
  const plain = Command.start(t, ['send', ...LOOPBACK, user.path('one.txt')], { env: user.env })
  const ticket = await plain.until(({ stdout }) => /^gaiwan receive (blob\S+)\n/m.exec(stdout)?.[1])
  t.regex(plain.said.stdout, /^Serving file \S+one\.txt: 1 file, 3 B, hash [0-9a-f]{64}\nTo get this, use:\n/)
  t.is(plain.said.stdout.trim().split(/\s/).at(-1), ticket)
  t.is((await user.run('recv', ticket, '-o', user.path('out'))).status, 0)
  await plain.until(({ stdout }) => /^[0-9a-f]{10} got 3 B in [\d.]+ s$/m.exec(stdout) ?? undefined)
  plain.kill('SIGINT')
  t.is((await plain.ended).status, 0)
})

test('several paths are one collection, links are left out and told', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('d/x'), 'x')
  writeFileSync(user.path('y'), 'y')
  symlinkSync('x', user.path('d/link'))
  const send = user.start('send', user.path('d'), user.path('y'))
  t.deepEqual(await send.event('skipped'), { event: 'skipped', count: 1, paths: [user.path('d/link')] })
  const { status } = await user.run('receive', await send.ticket(), user.path('out'))
  t.is(status, 0)
  sameFiles(t, user.path('out'), { 'd/x': Buffer.from('x'), y: Buffer.from('y') })
})

test('the same files have the same hash, from wherever they are sent', async (t) => {
  const user = new User(t)
  for (const place of ['1', '2']) {
    writeFileSync(user.path(place, 'd/b'), 'b')
    writeFileSync(user.path(place, 'd/a'), 'a')
  }
  const hashes = await Promise.all(
    ['1', '2'].map(async (place) => {
      const send = user.start('send', user.path(place, 'd'))
      const { hash } = await send.event('listening')
      send.kill('SIGINT')
      await send.ended
      return hash
    }),
  )
  t.is(hashes[0], hashes[1])
})

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} keeps what arrived, says how to go on, and a second run does`, async (t) => {
    const user = new User(t)
    const files = folderOf(user, 'big', LONG)
    const send = user.start('send', user.path('big'), ...SLOW)
    const ticket = await send.ticket()
    const receive = user.start('receive', ticket, user.path('out'))
    const { bytes } = await arrived(receive)
    receive.kill(signal)
    const ended = await receive.ended
    t.deepEqual([ended.status, ended.signal], [status, null])
    const kept = jsonLines(ended.stdout.toString()).find(({ event }) => event === 'kept')!
    t.like(kept, { interrupted: true })
    t.true(Number(kept.bytes) >= Number(bytes))
    t.false(existsSync(user.path('out/big')))
    t.is(user.left('receive').length, 1)

    const again = user.start('receive', ticket, user.path('out'))
    const { localBytes } = await again.event('fetching')
    t.true(Number(localBytes) >= Number(bytes), `${localBytes} of ${bytes} bytes are still there`)
    t.is((await again.ended).status, 0)
    sameFiles(t, user.path('out/big'), files)
    t.deepEqual(user.left('receive'), [])
  })
}

test('the whole is known long before it is here, of a folder and of a file, also when resumed', async (t) => {
  const user = new User(t)
  folderOf(user, 'big', LONG)
  writeFileSync(user.path('one.bin'), randomBytes(LONG))
  const sends = [user.start('send', user.path('big'), ...SLOW), user.start('send', user.path('one.bin'), ...SLOW)]
  for (const send of sends) {
    const ticket = await send.ticket()
    const totals: number[] = []
    for (let n = 0; n < 2; n++) {
      const receive = user.start('receive', ticket, user.path('out'))
      const { bytes, totalBytes } = await receive.until(({ stdout }) =>
        jsonLines(stdout).find(({ event, totalBytes }) => event === 'progress' && totalBytes !== null),
      )
      t.true(Number(bytes) < LONG, `${bytes}`)
      totals.push(Number(totalBytes))
      receive.kill('SIGINT')
      await receive.ended
    }
    // The list of hashes and the names come on top.
    t.true(totals[0]! >= LONG && totals[0]! < LONG + 300, String(totals[0]))
    t.is(totals[1], totals[0])
  }
})

test('people are told how to go on by the very command', async (t) => {
  const user = new User(t)
  folderOf(user, 'big', LONG)
  const send = user.start('send', user.path('big'), ...SLOW)
  const ticket = await send.ticket()
  const receive = user.start('receive', ticket, user.path("it's here"), '--overwrite')
  await arrived(receive)
  receive.kill('SIGINT')
  await receive.ended
  // The second run, without --json, is cut short too.
  const plain = Command.start(t, ['receive', ...LOOPBACK, ticket, user.path("it's here"), '--overwrite'], { env: user.env })
  await plain.until(({ stderr }) => /^Fetching 3 files, [\d.]+ [kM]B are here already\.$/m.exec(stderr) ?? undefined)
  plain.kill('SIGINT')
  const { status, stderr } = await plain.ended
  t.is(status, 130)
  const [kept, command] = stderr.trimEnd().split('\n').slice(-2)
  t.regex(kept!, /^[\d.]+ [kM]B are kept in \S+\/cache\/gaiwan\/receive\/s[0-9a-f]{64}\. To go on:$/)
  t.is(command, `gaiwan receive ${ticket} '${user.home}/it'\\''s here' --bind 127.0.0.1:0 --overwrite`)
})

test('a receive that is killed is resumed too', async (t) => {
  const user = new User(t)
  const files = Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`${n}`, randomBytes(LONG / 32)]))
  for (const [name, data] of Object.entries(files)) writeFileSync(user.path('big', name), data)
  const send = user.start('send', user.path('big'), ...SLOW)
  const ticket = await send.ticket()
  const receive = user.start('receive', ticket, user.path('out'))
  await receive.until(({ stdout }) =>
    jsonLines(stdout).some(({ event, files }) => event === 'progress' && Number(files) >= 2) ? true : undefined,
  )
  const data = user.path('cache/gaiwan/receive', user.left('receive')[0]!, 'data')
  await until(() => settled(data, LONG / 32) >= 2)
  const done = settled(data, LONG / 32)
  receive.kill('SIGKILL')
  t.is((await receive.ended).signal, 'SIGKILL')
  const again = user.start('receive', ticket, user.path('out'))
  // What is whole is on the disk; of a file under way only what the last checkpoint brought there.
  t.true(Number((await again.event('fetching')).localBytes) >= (done * LONG) / 32)
  t.is((await again.ended).status, 0)
  sameFiles(t, user.path('out/big'), files)
})

test('a sender that goes away and comes back is found again: the transfer goes on by itself', async (t) => {
  const user = new User(t)
  const files = folderOf(user, 'big', LONG)
  // An address that no other test binds: the port stays free until the sender is back.
  const start = (bind: string, ...more: readonly string[]) =>
    Command.start(t, ['send', '--json', '--bind', bind, user.path('big'), '--secret', user.path('key'), ...more], { env: user.env })
  const send = start('127.0.0.2:0', ...SLOW)
  const listening = await send.event('listening')
  const port = String((listening.addresses as string[])[0])
  const receive = user.start('receive', String(listening.ticket), user.path('out'))
  await arrived(receive)
  send.kill('SIGINT')
  t.is((await send.ended).status, 0)
  const back = start(port)
  await back.event('listening')
  t.is((await receive.ended).status, 0)
  sameFiles(t, user.path('out/big'), files)
})

test('send serves nobody before its import is complete, and an interrupted import leaves nothing', async (t) => {
  const user = new User(t)
  // Holes: much to hash, and nothing on the disk.
  writeFileSync(user.path('large'), '')
  truncateSync(user.path('large'), 16 * 2 ** 30)
  const send = user.start('send', user.path('large'))
  await send.event('progress')
  send.kill('SIGINT')
  const { status, stdout } = await send.ended
  t.is(status, 130)
  t.false(jsonLines(stdout.toString()).some(({ event }) => event === 'listening'))
  t.deepEqual(user.left('send'), [])
})

test('only those allowed get anything', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('one.txt'), 'tea')
  const id = (await user.run('id', '--secret', user.path('key'))).stdout.toString().trim()
  const send = user.start('send', user.path('one.txt'), '--allow', id)
  const ticket = await send.ticket()
  const stranger = await user.run('receive', ticket, user.path('out'))
  t.is(stranger.status, 1)
  t.regex(stranger.stderr, /\[PROVIDER_REFUSED\]\n$/)
  t.false(existsSync(user.path('out/one.txt')))
  t.deepEqual(user.left('receive'), [], 'a store without a byte is not kept')
  t.is((await user.run('receive', ticket, user.path('out'), '--secret', user.path('key'))).status, 0)
  t.is(readFileSync(user.path('out/one.txt'), 'utf8'), 'tea')
})

test('files in the way are told before the transfer, and replaced only when asked', async (t) => {
  const user = new User(t)
  const files = folderOf(user, 'd', 2 * MEBI)
  const send = user.start('send', user.path('d'))
  const ticket = await send.ticket()
  writeFileSync(user.path('out/d/sub/b c.txt'), 'mine')
  writeFileSync(user.path('out/d/other'), 'mine too')
  const refused = await user.run('receive', ticket, user.path('out'), '--json')
  t.is(refused.status, 1)
  t.like(jsonLines(refused.stderr)[0], { event: 'error', code: 'TARGET_EXISTS' })
  // Refused without the bytes: only the names came.
  t.false(jsonLines(refused.stdout.toString()).some(({ event }) => event === 'fetching' || event === 'progress'))
  t.is(readFileSync(user.path('out/d/sub/b c.txt'), 'utf8'), 'mine')
  t.is((await user.run('receive', ticket, user.path('out'), '--overwrite')).status, 0)
  sameFiles(t, user.path('out/d'), { ...files, other: Buffer.from('mine too') })
})

test('receiving again what is there already is no error', async (t) => {
  const user = new User(t)
  const files = folderOf(user, 'd')
  const send = user.start('send', user.path('d'))
  const ticket = await send.ticket()
  for (let n = 0; n < 2; n++) t.is((await user.run('receive', ticket, user.path('out'))).status, 0)
  sameFiles(t, user.path('out/d'), files)
  t.deepEqual(user.left('receive'), [])
})

test('a single file goes to stdout, and nothing else does', async (t) => {
  const user = new User(t)
  const data = randomBytes(300_000)
  writeFileSync(user.path('x.bin'), data)
  const send = user.start('send', user.path('x.bin'))
  const ticket = await send.ticket()
  const got = await user.run('receive', ticket, '-')
  t.is(got.status, 0)
  t.true(got.stdout.equals(data))
  const json = await user.run('receive', ticket, '-o', '-', '--json')
  t.true(json.stdout.equals(data))
  t.true(jsonLines(json.stderr).some(({ event }) => event === 'fetched'))
  t.deepEqual(user.left('receive'), [])
})

test('a folder does not go to stdout, which is told before it is fetched', async (t) => {
  const user = new User(t)
  folderOf(user, 'd')
  const send = user.start('send', user.path('d'))
  const { status, stdout, stderr } = await user.run('receive', await send.ticket(), '-')
  t.deepEqual([status, stdout.length], [1, 0])
  t.regex(stderr, /collection of 3 \[COLLECTION_INVALID\]\n$/)
})

test('--store keeps it all in a store of the user’s, from where it can be served on', async (t) => {
  const user = new User(t)
  const files = folderOf(user, 'd')
  const send = user.start('send', user.path('d'))
  const { ticket, hash } = await send.event('listening')
  t.is((await user.run('receive', String(ticket), user.path('out'), '--store', user.path('store'))).status, 0)
  send.kill('SIGINT')
  await send.ended
  sameFiles(t, user.path('out/d'), files)
  const serve = user.start('blob serve', `s${hash}`, '--store', user.path('store'))
  const { tickets } = await serve.event('listening')
  const [{ ticket: second }] = tickets as [{ ticket: string }]
  t.is((await user.run('receive', second, user.path('out2'))).status, 0)
  sameFiles(t, user.path('out2/d'), files)
})

test('one receive at a time: the second says so and leaves the first one’s store alone', async (t) => {
  const user = new User(t)
  const files = folderOf(user, 'big', LONG)
  const send = user.start('send', user.path('big'), '--max-rate', '200k')
  const ticket = await send.ticket()
  const first = user.start('receive', ticket, user.path('out'))
  await arrived(first)
  const second = await user.run('receive', ticket, user.path('out2'))
  t.is(second.status, 1)
  t.regex(second.stderr, /^gaiwan: [^\n]+ \[STORE_LOCKED\]\n$/)
  t.is(user.left('receive').length, 1)
  first.kill('SIGINT')
  t.is((await first.ended).status, 130)
  send.kill('SIGINT')
  await send.ended
  const fast = user.start('send', user.path('big'))
  const third = user.start('receive', await fast.ticket(), user.path('out'))
  t.true(Number((await third.event('fetching')).localBytes) > 0)
  t.is((await third.ended).status, 0)
  sameFiles(t, user.path('out/big'), files)
})

test('a collection with a name that could do harm is refused before its bytes are fetched, and writes nothing', async (t) => {
  const user = new User(t)
  for (const [n, name] of ['../evil', '/etc/evil', 'a\\b', 'x/./y', 'con:'].entries()) {
    const store = await BlobStore.open(user.path(`store${n}`))
    const { hash } = await store.add('evil', { tag: 'evil' })
    const root = await store.createCollection([
      { name: 'fine', hash },
      { name, hash },
    ])
    await store.close()
    const serve = user.start('blob serve', `s${root.hash}`, '--store', user.path(`store${n}`))
    const [{ ticket }] = (await serve.event('listening')).tickets as [{ ticket: string }]
    const { status, stdout, stderr } = await user.run('receive', ticket, user.path('deep/out'), '--json')
    serve.kill('SIGINT')
    t.is(status, 1)
    t.like(jsonLines(stderr)[0], { code: 'UNSAFE_NAME' }, name)
    t.false(jsonLines(stdout.toString()).some(({ event }) => event === 'fetching'))
    await serve.ended
  }
  t.deepEqual(
    filesBelow(user.home).filter((path) => /evil|fine/.test(path)),
    [],
  )
})

const TICKET = BlobTicket.encode({ addr: { id: SecretKey.generate().id }, hash: 'ab'.repeat(32), format: 'raw' })
const WRONG: ReadonlyArray<readonly [title: string, args: string[], says: RegExp]> = [
  ['send of nothing', ['send'], /PATH is missing/],
  ['receive of nothing', ['receive'], /TICKET is missing/],
  ['a ticket of another kind', ['receive', 'endpointaaaa'], /TICKET is not a blob ticket/],
  ['two targets', ['receive', TICKET, 'a', '-o', 'b'], /DIR and --output/],
  ['tries that are no number', ['receive', TICKET, '--retries', 'many'], /--retries takes/],
  ['a rate that is none', ['send', '.', '--max-rate', 'fast'], /--max-rate takes/],
  ['an id that is none', ['send', '.', '--allow', 'lu'], /--allow takes/],
  ['a group without its command', ['blob'], /a command is missing .*gaiwan blob --help/],
  ['a command that the group does not have', ['blob eat'], /no command "blob eat"/],
]
for (const [title, args, says] of WRONG) {
  test(`${title} is wrong usage: one line, status 2`, async (t) => {
    const user = new User(t)
    const { status, stdout, stderr } = await user.run(args[0]!, ...args.slice(1))
    t.deepEqual([status, stdout.length], [2, 0])
    t.regex(stderr, /^gaiwan: [^\n]+\n$/)
    t.regex(stderr, says)
  })
}

test('a path that is not there is one line and status 1', async (t) => {
  const user = new User(t)
  const { status, stderr } = await user.run('send', user.path('none'))
  t.is(status, 1)
  t.regex(stderr, /^gaiwan: [^\n]*no such file[^\n]*\n$/)
  t.deepEqual(user.left('send'), [])
})

test('a peer that is not there is one line and status 1, and an earlier part is kept', async (t) => {
  const user = new User(t)
  folderOf(user, 'big', LONG)
  const send = user.start('send', user.path('big'), ...SLOW)
  const ticket = await send.ticket()
  const receive = user.start('receive', ticket, user.path('out'), '--retries', '0')
  await arrived(receive)
  send.kill('SIGKILL')
  receive.kill('SIGINT')
  await receive.ended
  t.is(user.left('receive').length, 1)
  const { status, stderr } = await user.run('receive', ticket, user.path('out'))
  t.is(status, 1)
  t.regex(stderr, /To go on:\ngaiwan receive blob[^\n]+\ngaiwan: [^\n]+ \[[A-Z_]+\]\n$/)
  t.is(user.left('receive').length, 1)
})
