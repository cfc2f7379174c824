import test from 'ava'
import { checkNames, fold, nameProblem } from '../../../ts/cli/blobs/names.js'

const GOOD = [
  'a',
  'photos/2024/überall.jpg',
  '.hidden',
  'a b',
  'ends. not',
  '...',
  'x'.repeat(255),
  `${'d/'.repeat(127)}f`,
  'nul-and-void',
  'komma,',
]
for (const name of GOOD) {
  test(`${name.slice(0, 30)} is a good name everywhere`, (t) => {
    t.is(nameProblem(name, 'everywhere'), name === '...' ? 'has a component that ends with a dot or a space' : null)
    t.is(nameProblem(name, 'unix'), null)
  })
}

const BAD: ReadonlyArray<readonly [name: string, problem: RegExp]> = [
  ['', /empty/],
  ['/etc/passwd', /absolute/],
  ['..', /elsewhere/],
  ['../x', /elsewhere/],
  ['a/../../x', /elsewhere/],
  ['a/.', /elsewhere/],
  ['a/.\u200d./b', /elsewhere/],
  ['a/\u200e', /elsewhere/],
  ['a//b', /empty component/],
  ['a/', /empty component/],
  ['a\0b', /control/],
  ['a\nb', /control/],
  ['a\u009bb', /control/],
  ['a\\b', /has a \\/],
  ['C:x', /has a :/],
  ['a/b:stream', /has a :/],
  ['x'.repeat(256), /255 bytes/],
  ['ü'.repeat(128), /255 bytes/],
  ['d/'.repeat(2_100), /4096 bytes/],
  [`${'d/'.repeat(128)}f`, /128 components/],
]
for (const [name, problem] of BAD) {
  test(`${JSON.stringify(name).slice(0, 40)} of ${name.length} is refused on every platform`, (t) => {
    t.regex(nameProblem(name, 'unix') ?? '', problem)
    t.regex(nameProblem(name, 'everywhere') ?? '', problem)
    t.throws(() => checkNames(['fine', name], 'unix'), { code: 'UNSAFE_NAME' })
  })
}

test('what only Windows cannot have is refused there', (t) => {
  for (const name of [
    'nul',
    'a/CON.txt',
    'com1',
    'LPT9.tar.gz',
    'com²',
    'aux .txt',
    'a?',
    'a*b',
    'a"b',
    'a<b',
    'a>b',
    'a|b',
    'end.',
    'end ',
  ]) {
    t.not(nameProblem(name, 'everywhere'), null, name)
    t.is(nameProblem(name, 'unix'), null, name)
  }
  for (const name of ['console', 'com', 'com10', 'null', 'lptx']) t.is(nameProblem(name, 'everywhere'), null, name)
})

test('names that some file system takes for one are refused', (t) => {
  for (const names of [
    ['a', 'a'],
    ['Readme', 'README'],
    ['dir/x', 'DIR/X'],
    ['caf\u00e9', 'cafe\u0301'],
    ['stra\u00dfe', 'STRASSE'],
    ['a\u200db', 'ab'],
  ]) {
    t.throws(() => checkNames(names, 'unix'), { code: 'UNSAFE_NAME', message: /same file/ }, names.join(' '))
  }
  t.notThrows(() => checkNames(['a', 'b', 'a b', 'm\u00b2', 'm2'], 'unix'))
})

test('a name that is also a folder of another is refused, in any order', (t) => {
  for (const names of [
    ['a', 'a!', 'a/b'],
    ['A/b', 'a-', 'a'],
    ['x/y/z', 'x/y'],
  ]) {
    t.throws(() => checkNames(names, 'unix'), { code: 'UNSAFE_NAME', message: /also a folder/ }, names.join(' '))
  }
  t.notThrows(() => checkNames(['a/b', 'a/c', 'a!', 'ab'], 'unix'))
})

test('an error shows a name without letting it act', (t) => {
  const error = t.throws(() => checkNames([`\u001b[31m${'x'.repeat(500)}`], 'unix'))
  t.false(error.message.includes('\u001b'))
  t.true(error.message.length < 250)
})

test('folding: without case, with accents apart, its own separator', (t) => {
  t.is(fold('Dir/README.md'), 'dir\0readme.md')
  t.is(fold('Stra\u00dfe/\u03a3\u03b1\u03c2'), 'strasse\0\u03c3\u03b1\u03c3')
  t.is(fold('\u0131'), '\u0131')
})
