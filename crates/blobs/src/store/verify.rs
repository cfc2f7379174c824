//! Is a blob still what it says?

use bao_tree::ChunkNum;
use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

use super::{
    Reader, Store,
    place::Kind,
    reader::{Opened, is_gone, unreadable},
    record::{DataAt, Record},
    source::Source,
};
use crate::{
    bao::{CHUNK_BYTES, chunks_of},
    proto::ChunkRanges,
};

/// Chunks read at once while all is well, and chunks of a group.
const WINDOW: u64 = 1024;
const GROUP_CHUNKS: u64 = 16;

/// What became of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte that is said to be here matches.
    Ok,
    /// Some do not: these, in bytes.
    Bad {
        /// From, to before.
        ranges: Vec<(u64, u64)>,
        /// Whether the store does not claim them any more.
        repaired: bool,
    },
    /// Its file is gone.
    Missing {
        /// Where it was.
        path: std::path::PathBuf,
    },
}

/// What becomes of what does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Nothing: it is only looked at.
    No,
    /// It is given up, and what is good of a file of the user's is copied into the store.
    Copy,
    /// It is given up, and so is a file of the user's that is another one now.
    InPlace,
}

/// One blob that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Which.
    pub hash: Hash,
    /// Bytes that are said to be here.
    pub bytes: u64,
    /// What became of it.
    pub verdict: Verdict,
}

impl Store {
    /// Reads all that is here of a blob against its hash, `None` if there is no such blob. With `repair` what does not
    /// match is given up: the blob is partial then, and a download brings the rest. If its bytes are right and only the
    /// proofs are not, they are made anew and it stays complete.
    pub fn verify(&self, hash: &Hash, repair: bool) -> Result<Option<Checked>, Failure> {
        self.verify_until(hash, repair, &|| Ok(()))
    }

    /// As `verify`, asking `stop` every megabyte; its failure ends the work with nothing changed.
    pub fn verify_until(
        &self,
        hash: &Hash,
        repair: bool,
        stop: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Option<Checked>, Failure> {
        self.examine(hash, if repair { Repair::Copy } else { Repair::No }, stop)
    }

    pub(super) fn examine(
        &self,
        hash: &Hash,
        repair: Repair,
        stop: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Option<Checked>, Failure> {
        self.check()?;
        if *hash == Hash::EMPTY {
            return Ok(Some(Checked { hash: *hash, bytes: 0, verdict: Verdict::Ok }));
        }
        let filled = self.partials().get(hash).and_then(|partial| partial.files());
        let (row, reader) = match filled {
            Some((field, (data, outboard))) => (None, Reader::new(*hash, field, data, outboard)),
            None => {
                let Some(Opened { row, data, outboard }) = self.opened(hash)? else {
                    return Ok(None);
                };
                let field = row.bitfield();
                let data = match data {
                    Ok(data) => data,
                    Err(error) if !is_gone(&error) => return Err(unreadable(hash, &error)),
                    Err(_) => return self.missing(hash, row, repair).map(Some),
                };
                let outboard = match outboard {
                    Ok(outboard) => outboard,
                    Err(error) if !is_gone(&error) => return Err(unreadable(hash, &error)),
                    Err(_) => Source::empty(),
                };
                (Some(row), Reader::new(*hash, field, data, outboard))
            }
        };
        let bytes = reader.field().total_bytes();
        let (bad, mut ranges) = check(&reader, stop)?;
        if let Some(end) = row.as_ref().and_then(|row| grown(row, &reader)) {
            // What is there is right, and yet it is another file: it is not given out.
            ranges.push((reader.size(), end));
        }
        if ranges.is_empty() {
            return Ok(Some(Checked { hash: *hash, bytes, verdict: Verdict::Ok }));
        }
        let repaired = repair != Repair::No && self.repair(&reader, row.as_ref(), &bad, repair)?;
        let verdict = Verdict::Bad { ranges, repaired };
        Ok(Some(Checked { hash: *hash, bytes, verdict }))
    }

    /// The file of a blob is gone.
    fn missing(&self, hash: &Hash, row: Record, repair: Repair) -> Result<Checked, Failure> {
        let (path, is_ours) = match &row {
            Record::Complete { data: DataAt::External(path), .. } => (path.clone(), false),
            _ => (self.place().owned_path(hash, Kind::Data), true),
        };
        let bytes = row.bitfield().total_bytes();
        if repair == Repair::Copy || (repair == Repair::InPlace && is_ours) {
            let reader = Reader::new(*hash, row.bitfield(), Source::empty(), Source::empty());
            self.repair(&reader, Some(&row), &ChunkRanges::all(), repair)?;
        }
        Ok(Checked { hash: *hash, bytes, verdict: Verdict::Missing { path } })
    }
}

/// Where a file of the user ends that has become longer.
fn grown(row: &Record, reader: &Reader) -> Option<u64> {
    match (row, reader.data()) {
        (Record::Complete { data: DataAt::External(_), size, .. }, Source::File(file)) => {
            file.metadata().ok().map(|file| file.len()).filter(|length| length > size)
        }
        _ => None,
    }
}

/// Chunks and bytes that do not match. Group by group where something is wrong, so that one bad bit costs one group.
fn check(
    reader: &Reader,
    stop: &dyn Fn() -> Result<(), Failure>,
) -> Result<(ChunkRanges, Vec<(u64, u64)>), Failure> {
    let (field, size) = (reader.field(), reader.size());
    let end = ChunkRanges::from(..ChunkNum(chunks_of(size)));
    let present = field.ranges() & &end;
    let (mut bad, mut bytes): (ChunkRanges, Vec<(u64, u64)>) = (ChunkRanges::empty(), Vec::new());
    for range in present.boundaries().chunks(2) {
        let [start, last] = *range else { continue };
        let mut at = start.0;
        while at < last.0 {
            stop()?;
            let many = (at + WINDOW).min(last.0);
            if reads_well(reader, at, many)? {
                at = many;
                continue;
            }
            while at < many {
                let next = (at / GROUP_CHUNKS * GROUP_CHUNKS + GROUP_CHUNKS).min(many);
                if !reads_well(reader, at, next)? {
                    bad |= ChunkRanges::from(ChunkNum(at)..ChunkNum(next));
                    let (from, to) = (at * CHUNK_BYTES, (next * CHUNK_BYTES).min(size));
                    match bytes.last_mut() {
                        Some((_, end)) if *end == from => *end = to,
                        _ => bytes.push((from, to)),
                    }
                }
                at = next;
            }
        }
    }
    Ok((bad, bytes))
}

fn reads_well(reader: &Reader, start: u64, end: u64) -> Result<bool, Failure> {
    match reader.read(start * CHUNK_BYTES, end.saturating_mul(CHUNK_BYTES)) {
        Ok(_) => Ok(true),
        Err(failure) if failure.code == ErrorCode::BlobCorrupt => Ok(false),
        Err(failure) => Err(failure),
    }
}
