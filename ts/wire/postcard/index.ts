// Postcard, the encoding that serde has in iroh's protocols: codecs, and what they do.
export type { AnyCodec, Codec, Infer, Input, OptionCodec, UnitCodec } from './codec.js'
export { ipAddr, socketAddr } from './ip.js'
export { map, record } from './map.js'
export { decode, encode, encodedLength, MAX_MESSAGE_BYTES } from './message.js'
export {
  bool,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  i128,
  isize,
  safeI64,
  safeU64,
  u8,
  u16,
  u32,
  u64,
  u128,
  usize,
} from './number.js'
export { maybe, option, unit } from './option.js'
export { struct, tuple } from './product.js'
export { array, seq, set } from './sequence.js'
export { enumOf, type Result, result } from './sum.js'
export { bytes, char, copyBytes, fixedBytes, signature, str } from './text.js'
export { duration, systemTime } from './time.js'
export { type Branded, brand, lazy, newtype, transform } from './wrap.js'
