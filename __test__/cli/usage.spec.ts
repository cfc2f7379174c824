import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { gaiwan, jsonLines } from './command.js'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
const BLOB_COMMANDS = ['add', 'get', 'import', 'list', 'tag', 'verify', 'gc', 'serve'].map((name) => `blob ${name}`)
const COMMANDS = ['id', 'listen', 'connect', 'listen-tcp', 'connect-tcp', 'doctor', 'send', 'receive', 'chat', ...BLOB_COMMANDS]

const WRONG: ReadonlyArray<readonly [title: string, args: string[], says: RegExp]> = [
  ['no command', [], /a command is missing .*--help/],
  ['an unknown command', ['lisen'], /no command "lisen"/],
  ['a command that begins alike', ['listening'], /did you mean "listen"\?/],
  ['an unknown option', ['id', '--colour'], /unknown option '--colour' .*gaiwan id --help/],
  ['an unknown option before the command', ['--colour', 'id'], /unknown option '--colour'/],
  ['an option before the command', ['--secret', 'key', 'id'], /the command comes first/],
  ['an option without its value', ['id', '--secret'], /--secret <value>' argument missing/],
  ['a missing ticket', ['connect'], /TICKET is missing/],
  ['an operand too many', ['id', 'tea'], /one operand too many/],
  ['a missing host', ['listen-tcp'], /--host HOST:PORT is missing/],
  ['a host without a port', ['listen-tcp', '--host', 'localhost'], /--host takes 'host:port'/],
  ['a port that is none', ['listen-tcp', '--host', 'localhost:70000'], /--host takes 'host:port'/],
  ['an address that cannot be bound by its form', ['listen', '--bind', 'here'], /--bind takes 'ip:port'/],
  ['a ticket that is none', ['connect', 'endpointaaaa'], /TICKET is not an endpoint ticket/],
  ['a room that is missing', ['chat'], /ROOM is missing/],
  ['a ticket to join that is none', ['chat', 'tea', '--join', 'endpointaaaa'], /TICKET is not an endpoint ticket/],
  ['a name that moves the cursor', ['chat', 'tea', '--name', '\x1b[2J'], /--name takes 1 to 32 characters/],
  ['a custom ALPN that is no hex', ['listen', '--custom-alpn', 'xyz'], /--custom-alpn takes/],
]

for (const [title, args, says] of WRONG) {
  test(`${title} is wrong usage: one line, status 2`, async (t) => {
    const { status, stdout, stderr } = await gaiwan(t, args)
    t.is(status, 2)
    t.is(stdout.length, 0)
    t.regex(stderr, /^gaiwan: [^\n]+\n$/)
    t.regex(stderr, says)
  })
}

test('wrong usage with --json is one object on stderr', async (t) => {
  const { status, stdout, stderr } = await gaiwan(t, ['connect', '--json', 'endpointaaaa'])
  t.is(status, 2)
  t.is(stdout.length, 0)
  t.is(stderr.split('\n').length, 2)
  t.like(jsonLines(stderr)[0], { event: 'error', code: null })
})

test('a malformed ticket is not repeated', async (t) => {
  const { stderr } = await gaiwan(t, ['connect', 'endpointsomethingsecret'])
  t.notRegex(stderr, /somethingsecret/)
})

test('help names every command and fits a terminal', async (t) => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { status, stdout, stderr } = await gaiwan(t, args)
    t.is(status, 0)
    t.is(stderr, '')
    t.true(
      stdout
        .toString()
        .split('\n')
        .every((line) => line.length <= 80),
    )
    for (const name of COMMANDS) t.regex(stdout.toString(), new RegExp(`^  ${name}( \\[?[A-Z.]+\\]?)* {2,}\\S`, 'm'))
  }
})

for (const name of COMMANDS) {
  test(`help of ${name} names its options, whatever else is missing`, async (t) => {
    const { status, stdout } = await gaiwan(t, [...name.split(' '), '--help'])
    t.is(status, 0)
    t.true(
      stdout
        .toString()
        .split('\n')
        .every((line) => line.length <= 80),
    )
    t.regex(stdout.toString(), new RegExp(`^Usage: gaiwan ${name} `))
    for (const option of ['--json', '--secret FILE', '--bind ADDR', '--help', '--version']) t.true(stdout.includes(option), option)
    t.deepEqual((await gaiwan(t, ['help', ...name.split(' ')])).stdout, stdout)
  })
}

test('help of a group names its commands', async (t) => {
  for (const args of [
    ['blob', '--help'],
    ['help', 'blob'],
  ]) {
    const { status, stdout } = await gaiwan(t, args)
    t.is(status, 0)
    t.regex(stdout.toString(), /^Usage: gaiwan blob COMMAND /)
    t.deepEqual(
      [...stdout.toString().matchAll(/^ {2}(blob \w+)/gm)].map(([, name]) => name),
      BLOB_COMMANDS,
    )
  }
})

test('the version is that of the package', async (t) => {
  for (const args of [['--version'], ['-V'], ['id', '--version']])
    t.is((await gaiwan(t, args)).stdout.toString(), `gaiwan ${manifest.version}\n`)
  t.deepEqual(jsonLines((await gaiwan(t, ['id', '--version', '--json'])).stdout.toString()), [{ version: manifest.version }])
})

test('the built command runs as a program of its own', (t) => {
  const path = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
  t.regex(readFileSync(path, 'utf8'), /^#!\/usr\/bin\/env node\n/)
  const { status, stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  t.is(status, 0)
  t.is(stdout, `gaiwan ${manifest.version}\n`)
})
