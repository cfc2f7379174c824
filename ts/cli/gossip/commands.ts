// The commands on gossip: their options and help. Apart from what they do, because help must not need the native addon.
import type { Command } from '../commands.js'

/** By name, as in `gaiwan NAME`. */
export const GOSSIP_COMMANDS: Readonly<Record<string, Command>> = {
  chat: {
    about: 'talk with everybody in a room, a line each',
    operands: ['ROOM'],
    options: {
      join: { value: 'TICKET', multiple: true, about: 'who is there already, repeatable [wait for others]' },
      name: { value: 'NAME', about: 'what to be called [the start of the id]' },
    },
    notes: [
      'ROOM is any text, or a topic id of 64 hex digits. Prints a ticket; others join',
      'with it and the same ROOM. Ends when stdin does, or when interrupted.',
      'Every line is signed with the key of the endpoint, with a time and a nonce.',
      'Names can be chosen by anybody; what is proven is the id behind them.',
      'Gossip is that of iroh-gossip 0.101 (ALPN /iroh-gossip/1).',
    ],
    load: () => import('./chat.js'),
  },
}
