// A gateway on 127.0.0.1 and what it answers, byte for byte.
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { ExecutionContext } from 'ava'
import { createHandler, type HandlerOptions } from '../../../ts/blobs/http/index.js'
import { MemoryStore } from './store.js'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A handler in a server of its own. */
export class Client {
  readonly store = new MemoryStore()
  readonly errors: unknown[] = []
  port = 0

  static async start(t: ExecutionContext<unknown>, options: HandlerOptions = {}): Promise<Client> {
    const client = new Client()
    const server = createServer(createHandler(client.store, { onError: (error) => client.errors.push(error), ...options }))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.close()
      server.closeAllConnections()
    })
    client.port = (server.address() as AddressInfo).port
    return client
  }

  get(path: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return this.ask('GET', path, headers)
  }

  /** Rejects when the answer breaks off. */
  ask(method: string, path: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return ask(this.port, method, path, headers)
  }
}

export function ask(port: number, method: string, path: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks) }))
    })
    asking.on('error', reject)
    asking.end()
  })
}

/** One part of a multipart answer. */
export interface Part {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Takes a multipart body apart, strictly: what does not fit the form throws. */
export function partsOf({ headers, body }: Answer): Part[] {
  const [, boundary] = /^multipart\/byteranges; boundary=([0-9a-f]{32})$/.exec(String(headers['content-type'])) ?? []
  if (boundary === undefined) throw new Error(`no multipart: ${headers['content-type']}`)
  const text = body.toString('latin1')
  const open = `--${boundary}\r\n`
  const close = `\r\n--${boundary}--\r\n`
  if (!text.startsWith(open) || !text.endsWith(close)) throw new Error('the multipart body does not begin and end with its boundary')
  return text
    .slice(open.length, -close.length)
    .split(`\r\n${open}`)
    .map((part) => {
      const end = part.indexOf('\r\n\r\n')
      const lines = part.slice(0, end).split('\r\n')
      const pairs = lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
      return { headers: Object.fromEntries(pairs), body: Buffer.from(part.slice(end + 4), 'latin1') }
    })
}
