//! The pairs of bytes that are here, while they are hashed and until they have their place.

use std::io;

use gaiwan_base::Hash;

use super::{
    place::{Kind, Place, Temp},
    record::OutboardAt,
    source::Source,
};
use crate::bao::{Pairs, ReadAt, outboard_bytes};

/// Where the pairs of an import go: memory while they are few.
pub(super) enum Outboard {
    Memory(Source),
    Temp(Temp),
}

impl Outboard {
    /// Its place; in memory it becomes the bytes of the catalog, else the file of the blob, whose name is not synced yet.
    pub(super) fn keep(
        self,
        place: &Place,
        hash: &Hash,
        size: u64,
    ) -> io::Result<(OutboardAt, Option<Vec<u8>>)> {
        match self {
            Self::Memory(source) => {
                let mut pairs = vec![0; usize::try_from(outboard_bytes(size)).unwrap_or(0)];
                source.read_at(0, &mut pairs)?;
                let pairs = Some(pairs).filter(|pairs| !pairs.is_empty());
                let at = pairs.as_ref().map_or(OutboardAt::Nowhere, |_| OutboardAt::Inline);
                Ok((at, pairs))
            }
            Self::Temp(temp) => {
                place.keep(temp, hash, Kind::Outboard)?;
                Ok((OutboardAt::Owned, None))
            }
        }
    }

    /// Brings it to the disk, if it is not for the catalog.
    pub(super) fn sync(&self, place: &Place) -> io::Result<()> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Temp(temp) => place.sync(temp.source()),
        }
    }
}

impl Pairs for Outboard {
    fn write(&self, offset: u64, pairs: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(source) => source.write_at(offset, pairs),
            Self::Temp(temp) => temp.source().write_at(offset, pairs),
        }
    }
}
