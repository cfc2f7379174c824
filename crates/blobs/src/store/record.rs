//! What the catalog says of one blob.

use std::path::PathBuf;

use bao_tree::ChunkNum;
use serde::{Deserialize, Serialize};

use super::place::Kind;
use crate::proto::{Bitfield, ChunkRanges};

/// A row of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// All bytes and pairs are on disk.
    Complete { size: u64, data: DataAt, outboard: OutboardAt },
    /// Some are. `ranges` are boundaries of chunks, of which every byte and every pair on its path is on disk.
    Partial { size: u64, ranges: Vec<u64> },
}

/// Where complete bytes lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DataAt {
    /// In the catalog.
    Inline,
    /// In a file, or on the heap, of our own.
    Owned,
    /// In a file of the user.
    External(#[serde(with = "path_bytes")] PathBuf),
}

/// Where pairs lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OutboardAt {
    /// A single group has none.
    Nowhere,
    /// In the catalog.
    Inline,
    /// In a file, or on the heap, of our own.
    Owned,
}

impl Record {
    pub(crate) fn partial(field: &Bitfield) -> Self {
        let ranges = field.ranges().boundaries().iter().map(|chunk| chunk.0).collect();
        Self::Partial { size: field.size(), ranges }
    }

    /// Bytes of the blob; of a partial one the best claim.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Complete { size, .. } | Self::Partial { size, .. } => *size,
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Complete { .. })
    }

    /// Whether a file of our own belongs to it.
    pub(crate) fn needs(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Self::Partial { .. }, _) => true,
            (Self::Complete { data, .. }, Kind::Data) => *data == DataAt::Owned,
            (Self::Complete { outboard, .. }, Kind::Outboard) => *outboard == OutboardAt::Owned,
        }
    }

    pub(crate) fn bitfield(&self) -> Bitfield {
        match self {
            Self::Complete { size, .. } => Bitfield::complete(*size),
            Self::Partial { size, ranges } => Bitfield::new(*size, ranges_of(ranges)),
        }
    }
}

fn ranges_of(boundaries: &[u64]) -> ChunkRanges {
    boundaries.chunks(2).fold(ChunkRanges::empty(), |all, pair| match *pair {
        [start, end] if start < end => all | ChunkRanges::from(ChunkNum(start)..ChunkNum(end)),
        [start] => all | ChunkRanges::from(ChunkNum(start)..),
        _ => all,
    })
}

/// A path as its bytes, whether they are text or not; for those that are it is the form of serde.
mod path_bytes {
    use std::path::{Path, PathBuf};

    use serde::{Deserialize, Deserializer, Serializer};

    #[cfg(unix)]
    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()))
    }

    #[cfg(unix)]
    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<PathBuf, D::Error> {
        let bytes = Vec::<u8>::deserialize(from)?;
        Ok(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into())
    }

    #[cfg(not(unix))]
    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let text = path.to_str();
        to.serialize_str(text.ok_or_else(|| serde::ser::Error::custom("the path is no text"))?)
    }

    #[cfg(not(unix))]
    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(String::deserialize(from)?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_text_has_the_form_of_text() {
        let row = Record::Complete {
            size: 5,
            data: DataAt::External("/ein Pfad/mit Bäumen".into()),
            outboard: OutboardAt::Nowhere,
        };
        let bytes = postcard::to_allocvec(&row).unwrap();
        let text = "/ein Pfad/mit Bäumen";
        let expected = [&[0, 5, 2, text.len() as u8][..], text.as_bytes(), &[0]].concat();
        assert_eq!(bytes, expected);
        assert_eq!(postcard::from_bytes::<Record>(&bytes).unwrap(), row);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_comes_back() {
        let path = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(vec![
            b'/', 0xff, 0xfe, b'x',
        ]);
        let row = Record::Complete {
            size: 5,
            data: DataAt::External(path.into()),
            outboard: OutboardAt::Nowhere,
        };
        let bytes = postcard::to_allocvec(&row).unwrap();
        assert_eq!(postcard::from_bytes::<Record>(&bytes).unwrap(), row);
    }
}
