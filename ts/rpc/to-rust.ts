// The Rust enum of a service, for the other team to compare with. A picture, not generated code that is used.
import { type AnyCodec, shapeOf } from '../wire/postcard/codec.js'
import type { Kind, Plan } from './plan.js'

/** The enum with irpc's attributes, and after it the types that have no name in TypeScript. */
export function rustOf(name: string, names: readonly string[], plans: readonly (Plan | null)[], spans: boolean): string {
  const types = new Types()
  const variants = names.map((variant, n) => {
    const plan = plans[n]
    if (plan === null || plan === undefined)
      return `    /// Reserved.\n    ${pascal(variant)}(${types.own('()', `${pascal(variant)}Request`)}),`
    const hint = `${pascal(variant)}Request`
    const request = types.own(types.of(plan.request, hint), hint)
    const updates = channel('rx', plan.updates, plan.update === null ? '' : types.of(plan.update, `${pascal(variant)}Update`))
    const answers = channel('tx', plan.answers, plan.answer === null ? '' : types.of(plan.answer, `${pascal(variant)}Answer`))
    const attribute = [updates, answers].filter((part) => part !== '').join(', ')
    return `    #[rpc(${attribute})]\n    ${pascal(variant)}(${request}),`
  })
  const options = [`message = ${name}Message`, ...(spans ? ['span_propagation'] : [])].join(', ')
  const head = `#[rpc_requests(${options})]\n#[derive(Debug, Serialize, Deserialize)]\npub enum ${name} {\n`
  return [`${head}${variants.join('\n')}\n}\n`, ...types.definitions].join('\n')
}

function channel(side: 'rx' | 'tx', kind: Kind, item: string): string {
  if (kind === 'none') return side === 'tx' ? 'tx = NoSender' : ''
  const sort = `${kind === 'one' ? 'oneshot' : 'mpsc'}::${side === 'tx' ? 'Sender' : 'Receiver'}`
  return `${side} = ${sort}<${item}>`
}

/** Gives names to structs and enums as they are met. */
class Types {
  readonly definitions: string[] = []
  readonly #names = new Map<AnyCodec, string>()
  readonly #taken = new Set<string>()
  readonly #requests = new Set<string>()

  /** The request of one variant: irpc's macro wants a type for each, so one that another has already is wrapped, which changes no byte. */
  own(request: string, hint: string): string {
    if (!this.#requests.has(request)) {
      this.#requests.add(request)
      return request
    }
    const name = this.#free(hint)
    this.#taken.add(name)
    this.definitions.push(`#[derive(Debug, Serialize, Deserialize)]\npub struct ${name}(pub ${request});\n`)
    return name
  }

  /** The Rust type of a codec; `hint` names it if it needs a definition. */
  of(codec: AnyCodec, hint: string): string {
    const known = this.#names.get(codec)
    if (known !== undefined) return known
    const shape = shapeOf(codec)
    switch (shape.kind) {
      case 'str':
        return 'String'
      case 'bytes':
        return 'Bytes'
      case 'unit':
        return '()'
      case 'fixedBytes':
        return `[u8; ${shape.length}]`
      case 'option':
        return `Option<${this.of(shape.item, hint)}>`
      case 'seq':
        return `Vec<${this.of(shape.item, `${hint}Item`)}>`
      case 'set':
        return `HashSet<${this.of(shape.item, `${hint}Item`)}>`
      case 'array':
        return `[${this.of(shape.item, `${hint}Item`)}; ${shape.length}]`
      case 'tuple':
        return `(${shape.items.map((item, n) => this.of(item, `${hint}${n}`)).join(', ')}${shape.items.length === 1 ? ',' : ''})`
      case 'map':
        return `HashMap<${this.of(shape.key, `${hint}Key`)}, ${this.of(shape.value, `${hint}Value`)}>`
      case 'result':
        return `Result<${this.of(shape.ok, hint)}, ${this.of(shape.err, `${hint}Error`)}>`
      case 'named':
        return shape.name
      case 'lazy': {
        // Inside itself it is known by the name that its definition is about to get.
        this.#names.set(codec, this.#free(hint))
        return this.of(shape.get(), hint)
      }
      case 'struct': {
        const name = this.#name(codec, hint)
        const fields = shape.fields.map(([field, of]) => `    pub ${snake(field)}: ${this.of(of, `${name}${pascal(field)}`)},`)
        this.#define(`pub struct ${name}`, fields)
        return name
      }
      case 'enum': {
        const name = this.#name(codec, hint)
        const variants = shape.variants.map(([variant, of]) => {
          const inner = shapeOf(of)
          return `    ${pascal(variant)}${inner.kind === 'unit' ? '' : `(${this.of(of, `${name}${pascal(variant)}`)})`},`
        })
        this.#define(`pub enum ${name}`, variants)
        return name
      }
      default:
        return shape.kind
    }
  }

  #name(codec: AnyCodec, hint: string): string {
    const name = this.#free(hint)
    this.#taken.add(name)
    this.#names.set(codec, name)
    return name
  }

  #free(hint: string): string {
    let name = hint
    for (let n = 2; this.#taken.has(name); n++) name = `${hint}${n}`
    return name
  }

  #define(head: string, lines: readonly string[]): void {
    this.definitions.push(`#[derive(Debug, Serialize, Deserialize)]\n${head} {\n${lines.join('\n')}\n}\n`)
  }
}

function pascal(name: string): string {
  return name.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter, at: number) => `${at > 0 ? '_' : ''}${letter.toLowerCase()}`)
}
