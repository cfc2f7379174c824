// Every command with its options and help: what the command line knows before anything is loaded.
import type { Call, CommandSpec } from './args.js'
import { BLOB_COMMANDS } from './blobs/commands.js'
import { GOSSIP_COMMANDS } from './gossip/commands.js'
import type { Output } from './output.js'
import { PIPE_OPTIONS, STDIO_OPTIONS } from './pipe-options.js'

export interface Command extends CommandSpec {
  /** Whether stdout carries the user's bytes. */
  readonly data?: boolean | ((call: Call) => boolean)
  /** Loaded when it is needed: help and wrong usage work without the native addon. */
  readonly load: () => Promise<{ run(call: Call, output: Output, signal: AbortSignal): Promise<void> }>
}

const DUMBPIPE = 'Speaks with dumbpipe (ALPN DUMBPIPEV0): either side may be the other program.'

/** By name; the commands of a group have two words. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  id: {
    about: 'print the endpoint id of a key',
    notes: ['Without --secret the key is a new one that is not kept.', 'Only the public id is ever printed.'],
    load: () => import('./id.js'),
  },
  listen: {
    about: 'wait for one peer, join it with stdin and stdout',
    options: STDIO_OPTIONS,
    notes: ['Prints a ticket on stderr; whoever has it can connect.', 'Ends when both sides have sent all they had.', DUMBPIPE],
    data: true,
    load: () => import('./listen.js'),
  },
  connect: {
    about: 'dial a listening peer, join it with stdin and stdout',
    operands: ['TICKET'],
    options: STDIO_OPTIONS,
    notes: [DUMBPIPE],
    data: true,
    load: () => import('./connect.js'),
  },
  'listen-tcp': {
    about: 'forward the streams of peers to a TCP service',
    options: { host: { value: 'HOST:PORT', required: true, about: 'the service to connect to' }, ...PIPE_OPTIONS },
    notes: ['Prints a ticket; whoever has it reaches the service. Serves until interrupted.', DUMBPIPE],
    load: () => import('./listen-tcp.js'),
  },
  'connect-tcp': {
    about: 'forward TCP connections to a listening peer',
    operands: ['TICKET'],
    options: {
      addr: { value: 'HOST:PORT', required: true, about: 'where to take TCP connections; port 0 picks a free one' },
      ...PIPE_OPTIONS,
    },
    notes: ['Serves until interrupted.', DUMBPIPE],
    load: () => import('./connect-tcp.js'),
  },
  ...BLOB_COMMANDS,
  ...GOSSIP_COMMANDS,
  doctor: {
    about: 'tell versions, sockets, buffers; test the loopback',
    notes: ['Exit status 1 when the test fails. Nothing leaves this machine.'],
    load: () => import('./doctor.js'),
  },
}

/** Other names of commands. */
export const ALIASES: Readonly<Record<string, string>> = { recv: 'receive', 'blob ls': 'blob list' }
