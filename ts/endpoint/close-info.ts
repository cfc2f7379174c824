// How a connection ended, and the errors that follow from it.
import { type ClosedBy, GaiwanError } from '../errors.js'
import { type Bytes, copy, EMPTY, text } from '../wire/bytes.js'

/** The end of a connection. `code` is an application code by 'local' and 'remote', a transport code by 'transport'. */
export type CloseInfo =
  | { readonly by: 'local' | 'remote' | 'transport'; readonly code: bigint; readonly reason: string; readonly reasonBytes: Bytes }
  | { readonly by: 'timeout' | 'reset'; readonly code: null; readonly reason: ''; readonly reasonBytes: Bytes }

/** What the native core says of an end. */
export interface NativeEnd {
  readonly by: string
  readonly code?: bigint | null
  readonly reason: Uint8Array
}

export function closeInfo({ by, code, reason }: NativeEnd): CloseInfo {
  if (by === 'timeout' || by === 'reset') return { by, code: null, reason: '', reasonBytes: EMPTY }
  const reasonBytes = copy(reason)
  return { by: by as 'local' | 'remote' | 'transport', code: code ?? 0n, reason: text(reasonBytes), reasonBytes }
}

/** Whether either application closed it, whatever the code. */
export function byApplication({ by }: CloseInfo): boolean {
  return by === 'local' || by === 'remote'
}

/** What a call on a connection that has ended rejects with. */
export function closedError(info: CloseInfo): GaiwanError {
  if (info.by === 'local') return new GaiwanError('LOCALLY_CLOSED', 'we closed the connection')
  if (info.by === 'remote') {
    const { code: applicationCode, reason } = info
    return new GaiwanError('CONNECTION_CLOSED', `the peer closed the connection with code ${applicationCode}`, { applicationCode, reason })
  }
  const by: ClosedBy = info.by
  return Object.assign(new GaiwanError('CONNECTION_LOST', `the connection was lost: ${by}`), { by })
}
