// The commands on blobs: their options and help. Apart from what they do, because help must not need the native addon.
import type { Call, OptionSpec } from '../args.js'
import type { Command } from '../commands.js'

type Options = Readonly<Record<string, OptionSpec>>

const STORE: Options = { store: { value: 'DIR', about: 'the store [$GAIWAN_STORE, or one of the user]' } }
const QUIET: Options = { 'no-progress': { about: 'show no progress' } }
const OVERWRITE: Options = { overwrite: { about: 'replace files that are there' } }
const PROVIDE: Options = {
  allow: { value: 'ID', multiple: true, about: 'serve this endpoint only, repeatable [everyone]' },
  'max-rate': { value: 'BYTES', about: 'bytes a second to all, such as 500k or 2M [no limit]' },
}
const SENDME = 'Speaks with sendme (ALPN /iroh-bytes/4): either side may be the other program.'
const WHAT = 'WHAT is a hash, s and a hash for a collection, or a tag.'

/** Whether what was asked for goes to stdout. */
const toStdout = (call: Call) => call.text('output') === '-'

/** By name, as in `gaiwan NAME`. */
export const BLOB_COMMANDS: Readonly<Record<string, Command>> = {
  send: {
    about: 'offer files and folders, print a ticket, serve them',
    operands: ['PATH...'],
    options: { store: { value: 'DIR', about: 'keep what is imported in DIR [a store for this run]' }, ...PROVIDE, ...QUIET },
    notes: [
      'Files are not copied: they must stay as they are until the command ends.',
      'Symbolic links and empty folders are left out.',
      'Whoever has the ticket can fetch. Serves until interrupted.',
      SENDME,
    ],
    load: () => import('./send.js'),
  },
  receive: {
    about: 'fetch what a ticket names, verified, into DIR',
    operands: ['TICKET', '[DIR]'],
    options: {
      output: { value: 'DIR', short: 'o', about: 'the same as DIR; - is stdout, for a single file [.]' },
      name: { value: 'NAME', about: 'name of a blob that has none [its hash]' },
      store: { value: 'DIR', about: 'fetch into the store DIR and keep it there' },
      retries: { value: 'N', about: 'tries after a lost connection [5]' },
      ...OVERWRITE,
      ...QUIET,
    },
    notes: [
      'An interrupted transfer keeps what arrived in a cache folder of the ticket;\nthe same command goes on there, and removes it when all is done.',
      'Files that are there already with the same content are left as they are.',
      SENDME,
    ],
    data: (call) => toStdout(call) || call.operands[1] === '-',
    load: () => import('./receive.js'),
  },
  'blob add': {
    about: 'add files and folders to the store',
    operands: ['PATH...'],
    options: {
      tag: { value: 'NAME', about: 'tag that keeps it [one made from the time]' },
      reference: { about: 'refer to the files in place of a copy' },
      collection: { about: 'one collection of all paths, as send makes it' },
      ...STORE,
      ...QUIET,
    },
    notes: ['A folder becomes a collection. PATH - is stdin.'],
    load: () => import('./add.js'),
  },
  'blob get': {
    about: 'write a blob or collection out of the store',
    operands: ['WHAT'],
    options: {
      output: { value: 'PATH', short: 'o', about: 'a file, or a folder for a collection [-, stdout]' },
      range: { value: 'A-B', about: 'bytes A up to, not including, B, to stdout' },
      ...OVERWRITE,
      ...STORE,
      ...QUIET,
    },
    notes: [WHAT, 'A ticket is fetched first.'],
    data: (call) => toStdout(call) || call.text('output') === undefined,
    load: () => import('./get.js'),
  },
  'blob import': {
    about: 'bring the store of an iroh program into the store',
    operands: ['DIR'],
    options: { reference: { about: 'refer to files that DIR refers to, in place of a copy' }, ...STORE, ...QUIET },
    notes: [
      'DIR is a store of iroh-blobs 0.104, the folder with blobs.db.\nNothing in it is changed; no program may have it open.',
      'What is there already is passed over: the same command goes on where it ended.',
      'Exit status 1 when something of it is damaged or missing.',
    ],
    load: () => import('./import-store.js'),
  },
  'blob list': {
    about: 'list what the store holds',
    options: STORE,
    notes: ['Hash, bytes, and what is not whole yet.'],
    load: () => import('./list.js'),
  },
  'blob tag': {
    about: 'list tags; or set, rename or delete one',
    operands: ['[NAME]', '[WHAT]'],
    options: {
      delete: { about: 'delete NAME' },
      rename: { value: 'NEW', about: 'rename NAME' },
      ...STORE,
    },
    notes: ['Without WHAT: lists the tags that begin with NAME, or all.', WHAT],
    load: () => import('./tag.js'),
  },
  'blob verify': {
    about: 'read everything again and compare it with its hash',
    operands: ['[WHAT...]'],
    options: { repair: { about: 'keep only the good parts of bad blobs' }, ...STORE },
    notes: ['Exit status 1 when something is bad or missing.', WHAT],
    load: () => import('./verify.js'),
  },
  'blob gc': {
    about: 'delete what no tag holds',
    options: STORE,
    load: () => import('./gc.js'),
  },
  'blob serve': {
    about: 'serve the store to peers, and over HTTP',
    operands: ['[WHAT...]'],
    options: {
      http: { value: 'HOST:PORT', about: 'also to browsers, such as 127.0.0.1:8080' },
      'http-name': { value: 'NAME', multiple: true, about: 'a name under which browsers come, repeatable' },
      ...PROVIDE,
      ...STORE,
    },
    notes: [WHAT, 'Each WHAT gets a ticket, and then nothing else is served.\nServes until interrupted.'],
    load: () => import('./serve.js'),
  },
}
