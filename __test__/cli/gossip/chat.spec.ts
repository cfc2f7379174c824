import test from 'ava'
import { Ear, room } from '../../gossip/network.js'
import { Command, gaiwan, jsonLines, LOOPBACK } from '../command.js'

const CHAT = ['chat', 'tea house', ...LOOPBACK]

test('three talk in a room, each line is signed', async (t) => {
  const first = Command.start(t, [...CHAT, '--json', '--name', 'Ann'])
  const ticket = await first.ticket()
  const second = Command.start(t, [...CHAT, '--json', '--join', ticket])
  await second.event('neighborUp')
  const third = Command.start(t, [...CHAT, '--join', ticket, '--name', "Ca'rl"])
  await third.until(({ stderr }) => /is near/.exec(stderr)?.[0])
  third.stdin.write('who is here?\n')
  t.like(await first.event('message'), { name: "Ca'rl", text: 'who is here?' })
  t.like(await second.event('message'), { name: "Ca'rl", text: 'who is here?' })
  first.stdin.write('Ann is\n')
  const { id } = await first.event('listening')
  const line = await third.until(({ stdout }) => /^Ann \(([0-9a-f]{10})\): Ann is$/m.exec(stdout)?.[1])
  t.is(line, String(id).slice(0, 10))
  for (const command of [third, second, first]) {
    command.stdin.end()
    t.is((await command.ended).status, 0)
  }
})

test('input from a pipe is said once somebody is near, and then the command ends', async (t) => {
  const first = Command.start(t, [...CHAT, '--json'])
  const ticket = await first.ticket()
  const { status, stdout } = await gaiwan(t, [...CHAT, '--json', '--join', ticket], 'one\ntwo\n\nthree\n')
  t.is(status, 0)
  t.deepEqual(
    jsonLines(stdout.toString()).filter(({ event }) => event === 'sent'),
    Array(3).fill({ event: 'sent', neighbors: 1 }),
  )
  t.is(jsonLines(stdout.toString()).at(-1)?.event, 'left')
  const down = await first.event('neighborDown')
  t.is(down.reason, 'left')
  const texts = jsonLines(first.said.stdout).flatMap(({ event, text }) => (event === 'message' ? [text] : []))
  t.deepEqual(texts.sort(), ['one', 'three', 'two'])
  first.kill('SIGINT')
  t.is((await first.ended).status, 0)
})

test('what was not signed is ignored, and a line that is too long is refused', async (t) => {
  const command = Command.start(t, [...CHAT, '--json'])
  const ticket = await command.ticket()
  const { gossip, endpoint } = await room(t)
  const topic = await gossip.subscribeAndJoin('tea house', [ticket])
  const ear = new Ear(topic)
  await topic.broadcast('{"from":"somebody else"}')
  t.like(await command.event('ignored'), { reason: 'malformed', by: endpoint.id })
  command.stdin.write(`${'x'.repeat(5_000)}\nshort\n`)
  t.like(await command.event('error'), { code: 'MESSAGE_TOO_LARGE' })
  const { content } = await ear.event('received')
  t.regex(Buffer.from(content).toString('latin1'), /"text":"short"\}$/)
})

test('in a room where nobody is a line reaches nobody', async (t) => {
  const { stdout } = await gaiwan(t, [...CHAT, '--json'], 'anybody?\n')
  t.deepEqual(
    jsonLines(stdout.toString()).find(({ event }) => event === 'sent'),
    { event: 'sent', neighbors: 0 },
  )
})
