// LEB128 varints as postcard writes them: seven bits a byte, the low group first, the top bit set while more follow.

/** The most bytes of a varint, and the highest value that the last of them may have: postcard 1.1.3, `src/varint.rs`. */
export interface VarintForm {
  readonly bytes: number
  readonly last: number
}
export const VARINT_U16: VarintForm = { bytes: 3, last: 0x03 }
export const VARINT_U32: VarintForm = { bytes: 5, last: 0x0f }
export const VARINT_U64: VarintForm = { bytes: 10, last: 0x01 }
export const VARINT_U128: VarintForm = { bytes: 19, last: 0x03 }

/** How many bytes the shortest varint of a whole number from 0 to 2^53 - 1 has. */
export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++
  return length
}

/** 0, -1, 1, -2 become 0, 1, 2, 3. */
export function zigzag(value: bigint): bigint {
  return value < 0n ? -2n * value - 1n : 2n * value
}

/** 0, 1, 2, 3 become 0, -1, 1, -2. */
export function unzigzag(value: bigint): bigint {
  return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n
}
