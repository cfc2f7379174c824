import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { hash, hashFile } from '../../../ts/blobs/index.js'
import { Call } from '../../../ts/cli/args.js'
import {
  cacheDirectory,
  dataDirectory,
  receiveDirectory,
  type Surroundings,
  storeDirectory,
  temporaryDirectory,
} from '../../../ts/cli/blobs/places.js'
import { lookAt } from '../../../ts/cli/blobs/sources.js'
import { allow, checkDirectory, standing } from '../../../ts/cli/blobs/targets.js'
import { folder } from '../command.js'

const linux = (env: Surroundings['env'] = {}): Surroundings => ({ env, platform: 'linux', home: '/home/lu' })
const signal = new AbortController().signal

test('caches and data lie where the system wants them', (t) => {
  t.is(cacheDirectory(linux()), '/home/lu/.cache/gaiwan')
  t.is(cacheDirectory(linux({ XDG_CACHE_HOME: '/var/c' })), '/var/c/gaiwan')
  t.is(cacheDirectory(linux({ XDG_CACHE_HOME: 'relative' })), '/home/lu/.cache/gaiwan')
  t.is(dataDirectory(linux()), '/home/lu/.local/share/gaiwan')
  t.is(dataDirectory(linux({ XDG_DATA_HOME: '/var/d' })), '/var/d/gaiwan')
  const mac = { ...linux(), platform: 'darwin' } as const
  t.is(cacheDirectory(mac), '/home/lu/Library/Caches/gaiwan')
  t.is(dataDirectory(mac), '/home/lu/Library/Application Support/gaiwan')
  const windows = { ...linux({ LOCALAPPDATA: '/local' }), platform: 'win32' } as const
  t.deepEqual([cacheDirectory(windows), dataDirectory(windows)], [join('/local', 'gaiwan', 'cache'), join('/local', 'gaiwan', 'data')])
})

test('the store is that of --store, of the environment, or the user’s', (t) => {
  const call = (values: object) => new Call('blob list', [], values as Record<string, unknown>)
  t.is(storeDirectory(call({ store: '/a' }), linux({ GAIWAN_STORE: '/b' })), '/a')
  t.is(storeDirectory(call({}), linux({ GAIWAN_STORE: '/b' })), '/b')
  t.is(storeDirectory(call({}), linux({ GAIWAN_STORE: '' })), '/home/lu/.local/share/gaiwan/blobs')
})

test('what is fetched lies by its content, a collection apart from its bytes', (t) => {
  const hash = 'ab'.repeat(32)
  t.is(receiveDirectory(hash, 'raw', linux()), `/home/lu/.cache/gaiwan/receive/${hash}`)
  t.is(receiveDirectory(hash, 'hashSeq', linux()), `/home/lu/.cache/gaiwan/receive/s${hash}`)
})

test('a store of one run is private, and leftovers of dead runs go while those of living ones stay', async (t) => {
  const home = folder(t)
  const surroundings = { ...linux(), home }
  const root = join(home, '.cache/gaiwan/send')
  // No process has an id above the limit of the kernel, 2^22.
  mkdirSync(join(root, '99999999-0123456789abcdef/deep'), { recursive: true })
  mkdirSync(join(root, `${process.pid}-0123456789abcdef`))
  mkdirSync(join(root, 'somebody-elses'))
  const path = await temporaryDirectory(surroundings)
  t.deepEqual(readdirSync(root).sort(), [`${process.pid}-0123456789abcdef`, 'somebody-elses', path.slice(root.length + 1)].sort())
  t.is(statSync(path).mode & 0o777, 0o700)
  t.not(await temporaryDirectory(surroundings), path)
})

test('sources: files and folders with their bytes, links and empty folders left out', async (t) => {
  const top = folder(t)
  mkdirSync(join(top, 'tea/green'), { recursive: true })
  mkdirSync(join(top, 'tea/empty'))
  writeFileSync(join(top, 'tea/list'), '12345')
  writeFileSync(join(top, 'tea/green/sencha'), '123')
  writeFileSync(join(top, 'pot'), '1234567')
  symlinkSync('/etc', join(top, 'tea/etc'))
  symlinkSync('list', join(top, 'tea/link'))
  symlinkSync(join(top, 'pot'), join(top, 'named'))
  const { list, files, bytes, skipped } = await lookAt([join(top, 'tea/'), join(top, 'pot'), join(top, 'named')], signal)
  t.deepEqual(
    list.map(({ name, kind, files, bytes }) => [name, kind, files, bytes]),
    [
      ['tea', 'directory', 2, 8],
      ['pot', 'file', 1, 7],
      ['named', 'file', 1, 7],
    ],
  )
  t.deepEqual([files, bytes, skipped.count], [4, 22, 2])
  t.deepEqual([...skipped.some].sort(), [join(top, 'tea/etc'), join(top, 'tea/link')])
})

test('sources that cannot be sent are told before anything is imported', async (t) => {
  const top = folder(t)
  mkdirSync(join(top, 'empty'))
  mkdirSync(join(top, 'a'))
  mkdirSync(join(top, 'b/a'), { recursive: true })
  writeFileSync(join(top, 'a/x'), '')
  writeFileSync(join(top, 'b/a/y'), '')
  writeFileSync(join(top, 'a:b'), '')
  await t.throwsAsync(lookAt([join(top, 'none')], signal), { code: 'ENOENT' })
  await t.throwsAsync(lookAt(['/'], signal), { message: /no name/ })
  await t.throwsAsync(lookAt([join(top, 'empty')], signal), { message: /no file in/ })
  await t.throwsAsync(lookAt(['/dev/null'], signal), { message: /neither a file nor a folder/ })
  await t.throwsAsync(lookAt([join(top, 'a:b')], signal), { code: 'UNSAFE_NAME' })
  await t.throwsAsync(lookAt([join(top, 'a'), join(top, 'a')], signal), { code: 'UNSAFE_NAME' })
  // Two folders of one name are one folder, as long as no file meets another.
  t.is((await lookAt([join(top, 'a'), join(top, 'b/a')], signal)).files, 2)
  await t.throwsAsync(lookAt([join(top, 'a')], AbortSignal.abort(new Error('enough'))), { message: 'enough' })
})

const wanted = (...names: string[]) => names.map((name) => ({ name, hash: hash(name) }))
const look = (directory: string, ...names: string[]) => standing(directory, wanted(...names), (path) => hashFile(path))

test('targets: nothing there, the same there, something else there', async (t) => {
  const top = folder(t)
  t.deepEqual(await look(join(top, 'none'), 'a', 'b/c'), { same: [], other: [] })
  mkdirSync(join(top, 'd'))
  writeFileSync(join(top, 'd/same'), 'd/same')
  writeFileSync(join(top, 'other'), 'tea')
  writeFileSync(join(top, 'unrelated'), 'tea')
  symlinkSync('other', join(top, 'link'))
  const found = await look(top, 'd/same', 'd/new', 'e/new', 'other', 'link')
  t.deepEqual(found, { same: ['d/same'], other: ['other', 'link'] })
  t.throws(() => allow(found, top, false), { code: 'TARGET_EXISTS', message: /other and 1 more exists already/ })
  t.notThrows(() => allow(found, top, true))
  t.notThrows(() => allow({ same: ['x'], other: [] }, top, false))
})

test('targets: what no file can replace is refused, and no link is followed', async (t) => {
  const top = folder(t)
  const outside = folder(t)
  mkdirSync(join(top, 'folder'))
  writeFileSync(join(top, 'file'), '')
  symlinkSync(outside, join(top, 'link'))
  await t.throwsAsync(look(top, 'folder'), { code: 'TARGET_EXISTS', message: /is a folder there/ })
  await t.throwsAsync(look(top, 'file/x'), { code: 'TARGET_EXISTS', message: /is no folder there/ })
  await t.throwsAsync(look(top, 'link/x'), { code: 'TARGET_EXISTS', message: /is a link there/ })
  t.false(existsSync(join(outside, 'x')))
})

test('the target itself may be a link to a folder, but no file', async (t) => {
  const top = folder(t)
  writeFileSync(join(top, 'file'), '')
  symlinkSync(top, join(top, 'link'))
  await t.notThrowsAsync(checkDirectory(join(top, 'link')))
  await t.notThrowsAsync(checkDirectory(join(top, 'none')))
  await t.throwsAsync(checkDirectory(join(top, 'file')), { code: 'TARGET_EXISTS' })
})
