import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Program, run, top } from './programs.js'

/** What each example prints, line by line. */
const PROMISES: Readonly<Record<string, readonly RegExp[]>> = {
  'echo.ts': [/^connected to [0-9a-f]{10} with example\/parrot\/1$/, /^by a stream: more tea, please$/, /^by a request: and a biscuit$/],
  'versions.ts': [
    /^new waiter, example\/order-pots\/2: 3 pots$/,
    /^old waiter, example\/order-cups\/1: 18$/,
    /^waiter from elsewhere, nothing in common$/,
  ],
  'accept-loop.ts': [/^sencha is on its way$/, /^assam is on its way$/, /^no table for the third guest$/, /^closed$/],
  'zero-rtt.ts': [
    /^sencha: 70 °C, asked after the handshake$/,
    /^oolong: 85 °C, asked in the first packet$/,
    /^assam: 95 °C, asked in the first packet$/,
  ],
  'chat.ts': [
    /^Ben and Cleo came in by the ticket of Ann$/,
    /^Cleo hears Ann: is the kettle on\?$/,
    /^Cleo hears Ben: it is$/,
    /^Cleo hears somebody as Ann: no tea today$/,
    /^all have left$/,
  ],
  'presence.ts': [
    /^Ann sees Ben, Cleo, Dan$/,
    /^Dan sees Ann, Ben, Cleo$/,
    /^Ben said goodbye, Ann sees Cleo, Dan$/,
    /^Dan was not heard of for a while, Ann sees Cleo$/,
  ],
  'notes.ts': [
    /^Ben finds Tea with sencha: 70 °C$/,
    /^Ann reads sencha: 70 °C, oolong: 85 °C$/,
    /^apart, Ann has 2 lines and Ben the title Tea$/,
    /^together again: Tea, in degrees: sencha: 70 °C, oolong: 85 °C, assam: 95 °C$/,
    /^Ann hears \[ 'is typing', true \]$/,
    /^Eve is on no list and is told that there is no such document$/,
  ],
  'datagrams.ts': [/^a datagram carries up to 1\d{3} bytes$/, /^(?:[1-9]\d?|1\d\d|200) of 200 readings heard, the warmest \d\d °C$/],
  'web-streams.ts': [/^the peer counted 20000 lines$/, /^bytes sent, packets and all: \d{5,6}$/],
  'tcp-tunnel.ts': [/^200: you asked for \/sencha$/, /^200: you asked for \/oolong$/, /^200: you asked for \/assam$/],
  'share-a-folder.ts': [
    /^sharing 3 files, 3000034 bytes$/,
    /^ticket blob[0-9a-z]{8}…$/,
    /^fetched and verified 3\d{6} bytes, the last progress told of 3\d{6}$/,
    /^wrote copy\/green\/field\.raw, copy\/green\/sencha\.txt, copy\/list\.txt$/,
    /^sencha: 70 °C, one minute$/,
    /^once more: 0 bytes, since all is here$/,
    /^the provider sent green\/field\.raw, green\/sencha\.txt, list\.txt$/,
  ],
  'range-read.ts': [
    /^the provider holds 16000000 bytes$/,
    /^it proves to be 500000 records$/,
    /^in the middle: cup 250000$/,
    /^the last one: cup 499999$/,
    /^fetched 65536 bytes, the blob is partial here$/,
    /^fetched the other 15934464, the blob is complete$/,
  ],
  'http-gateway.ts': [
    /^200 text\/plain; charset=utf-8: sencha$/,
    /^206 bytes 7-12\/20: oolong$/,
    /^304, the tag is the hash: true$/,
    /^200 sandbox: <h1>Tea<\/h1>$/,
    /^200 menu\.txt \(20\), pages\/index\.html \(12\)$/,
    /^404 There is no such blob here\.$/,
  ],
  'storage-service.ts': [
    /^set sencha: stored$/,
    /^set without a key: refused, EmptyKey$/,
    /^set a novel: refused, at most 1024 bytes$/,
    /^get sencha: 70 °C$/,
    /^get coffee: nothing$/,
    /^set many: 2 of 3 stored$/,
    /^list: assam, oolong, sencha$/,
    /^lookup assam: 95 °C$/,
    /^lookup coffee: nothing$/,
    /^lookup oolong: 85 °C$/,
    /^after clear: nothing$/,
  ],
  'send-a-file.ts': [
    /^Two endpoints in two processes, found by public key:$/,
    /^ {2}file {6}sample\.bin, 268\.4 MB$/,
    /^ {2}provider {2}process \d+, id [0-9a-f]{10}, at 127\.0\.0\.1:\d+$/,
    /^ {2}getter {4}process \d+, knows the ticket endpoint[a-z2-7]+… and nothing else$/,
    /^ {2}ALPN {6}example\/file\/sha256, one of 2 offered; the peer proved to be [0-9a-f]{10}$/,
    /^ {2}received {2}268\.4 MB in [\d.]+ s, hashed and written to disk$/,
    /^ {2}speed {5}[1-9]\d* MB\/s$/,
    /^ {2}verified {2}[0-9a-f]{32}… at both ends$/,
  ],
  'send-a-folder.ts': [
    /^provider {2}[0-9a-f]{10}… {2}\d+ files, \d+\.\d MB, hashed in \d+ ms$/,
    /^ticket {4}blob[a-z2-7]+…$/,
    /^getter {4}fetched and verified \d+\.\d MB in \d+ ms, [1-9]\d* MB\/s, on disk$/,
    /^both {6}\d+ files are the same, by SHA-256; written out in \d+ ms$/,
  ],
}

const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('gaiwan-send-a-file-'))

for (const [name, lines] of Object.entries(PROMISES)) {
  test.serial(`${name} runs, says what it promises and ends by itself`, async (t) => {
    const { status, stdout, stderr } = await run(t, `examples/${name}`)
    t.is(stderr, '')
    t.is(status, 0)
    const said = stdout.trimEnd().split('\n')
    t.is(said.length, lines.length, stdout)
    for (const [n, line] of lines.entries()) t.regex(said[n]!, line)
  })
}

test.serial('every example is tested', (t) => {
  t.deepEqual(
    readdirSync(join(top, 'examples'))
      .filter((name) => name.endsWith('.ts'))
      .sort(),
    Object.keys(PROMISES).sort(),
  )
})

test('examples read like a user’s code: they import the package by its name', (t) => {
  for (const name of Object.keys(PROMISES)) {
    const text = readFileSync(join(top, 'examples', name), 'utf8')
    t.regex(text, /from 'gaiwan(?:\/\w+)*'$/m, name)
    t.notRegex(text, /from '\./, name)
  }
})

test.serial('send-a-file takes a file of the user’s and leaves it alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'gaiwan-examples-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'tea list.txt')
  writeFileSync(file, 'sencha\noolong\nassam\n')
  const { status, stdout, stderr } = await run(t, 'examples/send-a-file.ts', file)
  t.is(stderr, '')
  t.is(status, 0)
  t.regex(stdout, /^ {2}file {6}tea list\.txt, 0\.0 MB$/m)
  // printf 'sencha\noolong\nassam\n' | sha256sum
  t.regex(stdout, /^ {2}verified {2}3e7ea342ed981eeeb95b73ed2760e235… at both ends$/m)
  t.is(readFileSync(file, 'utf8'), 'sencha\noolong\nassam\n')
})

test.serial('send-a-file carries an empty file', async (t) => {
  const { status, stdout } = await run(t, 'examples/send-a-file.ts', '/dev/null')
  t.is(status, 0)
  t.regex(stdout, /^ {2}verified {2}e3b0c44298fc1c149afbf4c8996fb924… at both ends$/m) // SHA-256 of nothing
})

test.serial('send-a-file says in one line that there is no such file, and starts nobody', async (t) => {
  const { status, stdout, stderr } = await run(t, 'examples/send-a-file.ts', '/no/such/file')
  t.is(status, 1)
  t.regex(stderr, /^send-a-file: ENOENT[^\n]*\n$/)
  t.notRegex(stdout, /process/)
})

test.serial('send-a-file cleans up, also when interrupted', async (t) => {
  const before = leftovers()
  const program = Program.start(t, 'examples/send-a-file.ts')
  await program.says(/^ {2}provider {2}process \d+/m)
  program.kill('SIGINT')
  const { status } = await program.ended
  t.is(status, 1)
  t.deepEqual(leftovers(), before)
})
