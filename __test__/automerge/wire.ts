// A UDP wire between a dialer and an endpoint, that can be cut and led elsewhere.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'

export class Wire {
  readonly address: string
  #target: number
  readonly #front: Socket
  readonly #backs = new Map<number, Socket>()
  #isCut = false

  /** @param target `ip:port` on 127.0.0.1 */
  static async to(t: ExecutionContext<unknown>, target: string): Promise<Wire> {
    const front = createSocket('udp4').bind(0, '127.0.0.1')
    await once(front, 'listening')
    const wire = new Wire(front, portOf(target))
    t.teardown(() => wire.#close())
    return wire
  }

  private constructor(front: Socket, target: number) {
    this.#front = front
    this.#target = target
    this.address = `127.0.0.1:${front.address().port}`
    front.on('message', (packet, { port }) => {
      if (!this.#isCut) this.#back(port).send(packet, this.#target, '127.0.0.1')
    })
  }

  cut(): void {
    this.#isCut = true
  }

  /** @param target where it leads from now on [where it did] */
  heal(target?: string): void {
    if (target !== undefined) this.#target = portOf(target)
    this.#isCut = false
  }

  #back(port: number): Socket {
    let back = this.#backs.get(port)
    if (back === undefined) {
      back = createSocket('udp4')
      back.on('message', (packet) => {
        if (!this.#isCut) this.#front.send(packet, port, '127.0.0.1')
      })
      this.#backs.set(port, back)
    }
    return back
  }

  #close(): void {
    for (const socket of [this.#front, ...this.#backs.values()]) socket.close()
  }
}

const portOf = (address: string) => Number(/\d+$/.exec(address)![0])
