// A registry of npm on loopback that knows some tarballs and answers 404 for all else, as the real one does for what is not published.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'

interface Published {
  readonly name: string
  readonly bytes: Buffer
  readonly packument: (url: string) => unknown
}

function published(file: string): Published {
  const bytes = readFileSync(file)
  const manifest = JSON.parse(spawnSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' }).stdout)
  const { name, version } = manifest as { name: string; version: string }
  const dist = {
    integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    shasum: createHash('sha1').update(bytes).digest('hex'),
  }
  const packument = (url: string) => ({
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, dist: { ...dist, tarball: `${url}-/${name}.tgz` } } },
  })
  return { name, bytes, packument }
}

export interface Registry {
  readonly url: string
  /** The paths that were asked for, in order. */
  readonly asked: string[]
  /** After this nobody answers. */
  close(): Promise<void>
}

/** Serves `tarballs` until the test ends. */
export async function serveRegistry(t: ExecutionContext, tarballs: string[]): Promise<Registry> {
  const packages = new Map(tarballs.map(published).map((one) => [one.name, one]))
  const asked: string[] = []
  const server = createServer(({ url: path = '' }, response) => {
    asked.push(path)
    const [, tarballOf, name = path.slice(1)] = /^\/-\/(.*)\.tgz$/.exec(path) ?? []
    const found = packages.get(tarballOf ?? name)
    if (!found) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}')
    if (tarballOf) return void response.end(found.bytes)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(found.packument(url)))
  })
  // npm asks once and over connections that it keeps: none may end while it thinks.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  let open = true
  const close = async () => {
    if (!open) return
    open = false
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  t.teardown(close)
  return { url, asked, close }
}
