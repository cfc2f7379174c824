//! Which chunks of which blobs: the JSON of chunk ranges and of requests.

use std::fmt;

use iroh_blobs::BlobFormat;
use iroh_blobs::api::blobs::Bitfield;
use iroh_blobs::protocol::{ChunkRanges, ChunkRangesExt, ChunkRangesSeq};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// A set of chunks as an array of boundaries, numbers or decimal strings, each above the one
/// before it: start, end, start, end, … An odd count leaves the last range open.
#[derive(Clone)]
pub struct Chunks(pub ChunkRanges);

impl<'de> Deserialize<'de> for Chunks {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_seq(Boundaries).map(Self)
    }
}

struct Boundaries;

impl<'de> Visitor<'de> for Boundaries {
    type Value = ChunkRanges;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("rising chunk numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut numbers: Vec<u64> = Vec::new();
        while let Some(value) = source.next_element::<Value>()? {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let number = text.parse().map_err(A::Error::custom)?;
            if numbers.last().is_some_and(|last| *last >= number) {
                return Err(A::Error::custom("chunk numbers must rise"));
            }
            numbers.push(number);
        }
        let mut ranges = ChunkRanges::empty();
        for pair in numbers.chunks(2) {
            ranges |= match *pair {
                [start, end] => ChunkRanges::chunks(start..end),
                _ => ChunkRanges::chunks(pair[0]..),
            };
        }
        Ok(ranges)
    }
}

/// The chunks of a request, index 0 being the root, index i + 1 its child i.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ranges {
    /// Index 0, whole.
    Blob,
    /// Everything for ever.
    All,
    /// The last chunk of index 0.
    VerifiedSize,
    /// Index 0 whole, the last chunk of all others.
    VerifiedChildSizes,
    /// The given indexes and nothing after them.
    Only(Vec<Chunks>),
    /// The given indexes, the last of them for ever.
    Endless(Vec<Chunks>),
}

impl Ranges {
    pub fn build(self) -> ChunkRangesSeq {
        match self {
            Self::Blob => ChunkRangesSeq::root(),
            Self::All => ChunkRangesSeq::all(),
            Self::VerifiedSize => ChunkRangesSeq::verified_size(),
            Self::VerifiedChildSizes => ChunkRangesSeq::verified_child_sizes(),
            Self::Only(list) => ChunkRangesSeq::from_ranges(list.into_iter().map(|item| item.0)),
            Self::Endless(list) => {
                ChunkRangesSeq::from_ranges_infinite(list.into_iter().map(|item| item.0))
            }
        }
    }
}

/// `raw` or `hashSeq`.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    Raw,
    HashSeq,
}

impl Format {
    pub fn name(format: BlobFormat) -> &'static str {
        match format {
            BlobFormat::Raw => "raw",
            BlobFormat::HashSeq => "hashSeq",
        }
    }
}

impl From<Format> for BlobFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Raw => Self::Raw,
            Format::HashSeq => Self::HashSeq,
        }
    }
}

/// `[boundary]` as decimal strings.
pub fn boundaries(ranges: &ChunkRanges) -> Value {
    ranges.boundaries().iter().map(|chunk| chunk.0.to_string()).collect()
}

/// `{size, boundaries, validated, complete}`; an unvalidated size is a claim.
pub fn bitfield(bitfield: &Bitfield) -> Value {
    json!({
        "size": bitfield.size().to_string(),
        "boundaries": boundaries(&bitfield.ranges),
        "validated": bitfield.is_validated(),
        "complete": bitfield.is_complete(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_survive_there_and_back() {
        for text in [r#"[]"#, r#"["0"]"#, r#"["0","64"]"#, r#"["3","4","18446744073709551615"]"#] {
            let chunks: Chunks = serde_json::from_str(text).expect("valid");
            assert_eq!(boundaries(&chunks.0).to_string(), text);
        }
    }

    #[test]
    fn boundaries_that_do_not_rise_are_refused() {
        for text in [r#"[1,1]"#, r#"[2,1]"#, r#"[-1]"#, r#"["x"]"#, r#"7"#] {
            assert!(serde_json::from_str::<Chunks>(text).is_err(), "{text}");
        }
    }
}
