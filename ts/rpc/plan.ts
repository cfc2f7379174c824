// A method as calls need it.
import type { AnyCodec } from '../wire/postcard/codec.js'
import { type Channel, isUnitRequest, type MethodDefinition, traitsOf } from './method.js'

export type Kind = 'none' | 'one' | 'many'

/** A method with its name and place, ready for use. */
export interface Plan {
  readonly name: string
  readonly index: number
  readonly request: AnyCodec
  /** The request is nothing, and is left out. */
  readonly unit: boolean
  readonly updates: Kind
  readonly answers: Kind
  /** Null where the kind is none. */
  readonly update: AnyCodec | null
  readonly answer: AnyCodec | null
  readonly idempotent: boolean
  readonly maxRequestBytes: number
  readonly maxUpdateBytes: number
  readonly maxAnswerBytes: number
  /** Start the paths in error texts. */
  readonly updateName: string
  readonly answerName: string
}

export function planOf(name: string, index: number, of: MethodDefinition): Plan {
  const { idempotent, limits } = traitsOf(of)
  return Object.freeze({
    name,
    index,
    request: of.request,
    unit: isUnitRequest(of),
    updates: of.updates.kind,
    answers: of.answers.kind,
    update: itemOf(of.updates),
    answer: itemOf(of.answers),
    idempotent,
    ...limits,
    updateName: `${name} update`,
    answerName: `${name} answer`,
  })
}

function itemOf(channel: Channel): AnyCodec | null {
  return channel.kind === 'none' ? null : channel.item
}
