//! Bytes that both sides can make, and the hash that both can take.

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

/// Length of the repeating block: prime, so that a block lost or doubled at any packet, chunk
/// or window boundary shifts what follows.
const PERIOD: usize = 65_521;

/// An endless run of bytes, different for each seed.
///
/// Byte `i` of the block is `(i * 167 + (i >> 8) * 59 + seed) mod 256`; the test's own maker is
/// in `__test__/interop/pattern.ts`.
pub struct Pattern(Bytes);

impl Pattern {
    pub fn new(seed: u8) -> Self {
        let block = (0..PERIOD)
            .map(|i| (i.wrapping_mul(167) + (i >> 8).wrapping_mul(59) + seed as usize) as u8)
            .collect();
        Self(block)
    }

    /// Up to `max` bytes from `offset` on, at least one.
    pub fn at(&self, offset: u64, max: u64) -> Bytes {
        let start = (offset % PERIOD as u64) as usize;
        let length = (PERIOD - start).min(usize::try_from(max).unwrap_or(PERIOD));
        self.0.slice(start..start + length)
    }
}

/// Counts and hashes what went by. SHA-256, because Node has it without a package.
pub struct Tally {
    bytes: u64,
    context: Context,
}

impl Tally {
    pub fn new() -> Self {
        Self { bytes: 0, context: Context::new(&SHA256) }
    }

    pub fn add(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        self.context.update(chunk);
    }

    /// `{bytes, sha256}`.
    pub fn finish(self) -> Value {
        let hash = data_encoding::HEXLOWER.encode(self.context.finish().as_ref());
        json!({ "bytes": self.bytes, "sha256": hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_of_nothing_is_the_hash_of_nothing() {
        let sum = Tally::new().finish();
        assert_eq!(sum["bytes"], 0);
        assert_eq!(
            sum["sha256"],
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn pieces_of_any_size_make_the_same_bytes() {
        let pattern = Pattern::new(7);
        let whole = |step: u64| {
            let (mut offset, mut bytes) = (0, Vec::new());
            while offset < 200_000 {
                let piece = pattern.at(offset, step.min(200_000 - offset));
                offset += piece.len() as u64;
                bytes.extend_from_slice(&piece);
            }
            bytes
        };
        assert_eq!(whole(1_000), whole(u64::MAX));
    }
}
