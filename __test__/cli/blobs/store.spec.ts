import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { BlobTicket, hash as hashOf } from '../../../ts/blobs/index.js'
import { ask } from '../../blobs/http/client.js'
import { Command, jsonLines } from '../command.js'
import { User } from './start.js'

/** Runs a command with --json to its end and answers its objects. */
async function objects(user: User, command: string, ...args: string[]) {
  const { status, stdout, stderr } = await user.run(command, ...args, '--json')
  if (status !== 0) throw new Error(stderr)
  return jsonLines(stdout.toString())
}

test('add, list, get: a file, a folder and stdin', async (t) => {
  const user = new User(t)
  const data = randomBytes(300_000)
  writeFileSync(user.path('x.bin'), data)
  writeFileSync(user.path('d/a'), 'a')
  writeFileSync(user.path('d/e/b'), 'b')
  const [file, directory] = (await objects(user, 'blob add', user.path('x.bin'), user.path('d'))).filter(({ event }) => event === 'added')
  t.like(file, { path: user.path('x.bin'), size: 300_000, format: 'raw', files: 1 })
  t.like(directory, { path: user.path('d'), size: 2, format: 'hashSeq', files: 2 })
  const piped = await user.pipe('from stdin', 'blob add', '-', '--tag', 'piped')
  t.regex(piped.stdout.toString(), /^[0-9a-f]{64} {2}10 B {2}-\n$/)

  const list = await objects(user, 'blob list')
  const rows = list.map(({ hash, size, format, complete }) => [hash, size, format, complete])
  t.deepEqual(
    rows.find(([hash]) => hash === file!.hash),
    [file!.hash, 300_000, 'raw', true],
  )
  t.is((await user.run('blob ls')).stdout.toString().trimEnd().split('\n').length, list.length)

  const got = await user.run('blob get', String(file!.hash))
  t.true(got.stdout.equals(data))
  t.is((await user.run('blob get', 'piped')).stdout.toString(), 'from stdin')
  t.is((await user.run('blob get', String(file!.hash), '--range', '10-20')).stdout.toString('hex'), data.subarray(10, 20).toString('hex'))
  t.is((await user.run('blob get', String(file!.hash), '--range', '299990-')).stdout.length, 10)
  const written = await user.run('blob get', `s${directory!.hash}`, '-o', user.path('out'))
  t.is(written.status, 0)
  t.deepEqual([readFileSync(user.path('out/a'), 'utf8'), readFileSync(user.path('out/e/b'), 'utf8')], ['a', 'b'])
})

test('get to a file replaces nothing unless asked, and does not mind the same', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('x'), 'tea')
  const [added] = (await objects(user, 'blob add', user.path('x'))).filter(({ event }) => event === 'added')
  writeFileSync(user.path('y'), 'mine')
  const refused = await user.run('blob get', String(added!.hash), '-o', user.path('y'))
  t.is(refused.status, 1)
  t.regex(refused.stderr, /\[TARGET_EXISTS\]\n$/)
  t.is(readFileSync(user.path('y'), 'utf8'), 'mine')
  for (const more of [['--overwrite'], []]) {
    t.is((await user.run('blob get', String(added!.hash), '-o', user.path('y'), ...more)).status, 0)
    t.is(readFileSync(user.path('y'), 'utf8'), 'tea')
  }
})

test('a reader that goes away early is no failure of get', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('x'), randomBytes(4 << 20))
  await user.run('blob add', user.path('x'), '--tag', 'x')
  const get = Command.start(t, ['blob', 'get', 'x'], { reads: false, env: user.env })
  get.stdout.once('readable', () => get.stdout.destroy())
  const { status, stderr } = await get.ended
  t.deepEqual([status, stderr], [0, ''])
})

test('--collection and --reference: one collection of paths, without a copy', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('x'), 'x')
  writeFileSync(user.path('d/y'), 'y')
  const [added] = (await objects(user, 'blob add', user.path('x'), user.path('d'), '--collection', '--reference', '--tag', 'both')).filter(
    ({ event }) => event === 'added',
  )
  t.like(added, { path: null, format: 'hashSeq', files: 2, tag: 'both' })
  t.is((await user.run('blob get', 'both', '-o', user.path('out'))).status, 0)
  t.deepEqual([readFileSync(user.path('out/x'), 'utf8'), readFileSync(user.path('out/d/y'), 'utf8')], ['x', 'y'])
  t.true(existsSync(user.path('x')))
})

test('tags: set, list by prefix, rename, delete; gc takes what none holds', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('x'), 'tea')
  const hash = hashOf('tea')
  await user.run('blob add', user.path('x'), '--tag', 'tea/green')
  t.is((await user.run('blob tag', 'tea/black', hash)).status, 0)
  t.is((await user.run('blob tag', 'pot', 'tea/green')).status, 0)
  t.deepEqual(
    (await objects(user, 'blob tag', 'tea/')).map(({ name }) => name),
    ['tea/black', 'tea/green'],
  )
  t.is((await user.run('blob tag', 'tea/black', '--rename', 'te')).status, 0)
  t.is((await user.run('blob tag')).stdout.toString(), ['pot', 'te', 'tea/green'].map((name) => `${hash}  ${name}\n`).join(''))
  // `te` and not all that begin with it.
  t.is((await user.run('blob tag', 'te', '--delete')).status, 0)
  t.deepEqual(
    (await objects(user, 'blob tag')).map(({ name }) => name),
    ['pot', 'tea/green'],
  )
  t.like((await objects(user, 'blob gc'))[0], { event: 'collected', deleted: 0 })
  for (const name of ['pot', 'tea/green']) t.is((await user.run('blob tag', name, '--delete')).status, 0)
  t.deepEqual((await objects(user, 'blob gc'))[0], { event: 'collected', deleted: 1, bytes: 3 })
  const gone = await user.run('blob get', hash)
  t.deepEqual([gone.status, gone.stdout.length], [1, 0])
  t.regex(gone.stderr, /^gaiwan: [^\n]+ \[BLOB_NOT_FOUND\]\n$/)
  for (const args of [
    ['tea', '--delete'],
    ['tea', '--rename', 'x'],
  ]) {
    const { status, stderr } = await user.run('blob tag', ...args)
    t.is(status, 1)
    t.regex(stderr, /\[TAG_NOT_FOUND\]\n$/)
  }
})

test('verify tells what is bad and fails; repair takes it out', async (t) => {
  const user = new User(t)
  const store = user.path('store')
  // Large enough not to be kept in the database.
  const [x, y] = ['tea', 'pot'].map((text) => text.repeat(20_000)) as [string, string]
  writeFileSync(user.path('x'), x)
  writeFileSync(user.path('y'), y)
  for (const name of ['x', 'y']) await user.run('blob add', user.path(name), '--reference', '--store', store)
  const well = await user.run('blob verify', '--store', store)
  t.deepEqual([well.status, well.stdout.toString()], [0, '2 blobs, 120.0 kB, 0 bad\n'])
  truncateSync(user.path('x'), 50_000)
  const bad = await user.run('blob verify', '--store', store)
  t.is(bad.status, 1)
  t.is(bad.stdout.toString(), `${hashOf(x)}  10.8 kB are bad\n2 blobs, 120.0 kB, 1 bad\n`)
  t.is(bad.stderr, 'gaiwan: one blob is bad\n')
  t.is((await user.run('blob verify', hashOf(y), '--store', store)).status, 0)
  const repaired = await user.run('blob verify', '--repair', '--store', store, '--json')
  t.like(jsonLines(repaired.stdout.toString())[0], { event: 'bad', repaired: true })
  const list = await user.run('blob list', '--store', store)
  t.regex(list.stdout.toString(), new RegExp(`^${hashOf(x)} +60000 {2}partial$`, 'm'))
})

test('serve --http answers browsers from the store until it is interrupted', async (t) => {
  const user = new User(t)
  writeFileSync(user.path('d/tea.txt'), 'sencha')
  const [added] = (await objects(user, 'blob add', user.path('d'), '--tag', 'd')).filter(({ event }) => event === 'added')
  const serve = user.start('blob serve', '--http', '127.0.0.1:0', '--http-name', 'tea.example')
  const { url, tickets } = await serve.event('listening')
  t.deepEqual(tickets, [])
  const port = Number(new URL(String(url)).port)
  t.is((await ask(port, 'GET', `/${added!.hash}/tea.txt`)).body.toString(), 'sencha')
  t.is((await ask(port, 'GET', `/${added!.hash}`, { host: 'tea.example' })).status, 200)
  t.is((await ask(port, 'GET', `/${added!.hash}`, { host: 'evil.example' })).status, 421)
  const locked = await user.run('blob list')
  t.is(locked.status, 1)
  t.regex(locked.stderr, /\[STORE_LOCKED\]\n$/)
  serve.kill('SIGINT')
  t.is((await serve.ended).status, 0)
  t.is((await user.run('blob list')).status, 0)
})

test('serve with names offers those and nothing else', async (t) => {
  const user = new User(t)
  for (const name of ['x', 'y']) {
    writeFileSync(user.path(name), name)
    await user.run('blob add', user.path(name), '--tag', name)
  }
  const serve = user.start('blob serve', 'x', '--http', '127.0.0.1:0')
  const { tickets, url } = await serve.event('listening')
  const port = Number(new URL(String(url)).port)
  t.is((await ask(port, 'GET', `/${hashOf('x')}`)).status, 200)
  t.is((await ask(port, 'GET', `/${hashOf('y')}`)).status, 404)
  const [{ content, ticket }] = tickets as [{ content: string; ticket: string }]
  t.is(content, hashOf('x'))
  // A blob has no name: it goes by its hash, or as told.
  t.is((await user.run('receive', ticket, user.path('out'))).status, 0)
  t.is(readFileSync(user.path('out', content), 'utf8'), 'x')
  t.is((await user.run('receive', ticket, user.path('out'), '--name', 'x.txt')).status, 0)
  t.is(readFileSync(user.path('out/x.txt'), 'utf8'), 'x')
  t.is((await user.run('receive', ticket, user.path('out'), '--name', '../x')).status, 1)
  t.is((await user.run('blob get', ticket, '--store', user.path('other'))).stdout.toString(), 'x')
  const other = BlobTicket.encode({ ...BlobTicket.decode(ticket), hash: hashOf('y') })
  const refused = await user.run('receive', other, user.path('out'))
  t.is(refused.status, 1)
  t.regex(refused.stderr, /\ngaiwan: [^\n]+ \[PROVIDER_REFUSED\]\n$/)
})

const WRONG: ReadonlyArray<readonly [command: string, args: string[], says: RegExp]> = [
  ['blob get', ['no such tag'], /neither a hash nor the name of a tag/],
  ['blob get', ['x', '--range', '5-2'], /--range takes/],
  ['blob get', ['x', '--range', '0-1', '-o', 'y'], /--range writes to stdout/],
  ['blob get', ['blobzz'], /TICKET is not a blob ticket/],
  ['blob add', ['-', 'x'], /- takes no other path/],
  ['blob add', ['x', 'y', '--tag', 'z'], /--tag names one thing/],
  ['blob tag', ['x', 'y', '--delete'], /three things/],
  ['blob tag', ['--delete'], /NAME is missing/],
  ['blob serve', ['--http-name', 'x'], /--http-name belongs to --http/],
  ['blob serve', ['--http', 'x'], /--http takes 'host:port'/],
]
for (const [command, args, says] of WRONG) {
  test(`${command} ${args.join(' ')} is wrong usage: one line, status 2`, async (t) => {
    const { status, stdout, stderr } = await new User(t).run(command, ...args)
    t.deepEqual([status, stdout.length], [2, 0])
    t.regex(stderr, /^gaiwan: [^\n]+\n$/)
    t.regex(stderr, says)
  })
}
