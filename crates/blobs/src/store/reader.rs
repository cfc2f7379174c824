//! Verified bytes out of the store.

use std::{io, sync::Arc};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;

use super::{
    Store,
    error::{corrupt, incomplete, not_found},
    import::open_regular,
    place::Kind,
    record::{DataAt, OutboardAt, Record},
    source::Source,
};
use crate::{
    bao::{EncodeError, Encoder, ReadAt, outboard_bytes},
    proto::{Bitfield, ChunkRanges, chunks_of_bytes},
};

/// One blob, open. It goes on working while the blob is completed, replaced by a copy, or deleted.
#[derive(Clone)]
pub struct Reader {
    hash: Hash,
    field: Bitfield,
    data: Source,
    outboard: Source,
}

/// A row, and what it tells of.
pub(super) struct Opened {
    pub(super) row: Record,
    pub(super) data: io::Result<Source>,
    pub(super) outboard: io::Result<Source>,
}

impl Store {
    /// Opens what is here of a blob, `BLOB_NOT_FOUND` if nothing is.
    pub fn reader(&self, hash: &Hash) -> Result<Reader, Failure> {
        self.check()?;
        let hash = *hash;
        if hash == Hash::EMPTY {
            let (field, empty) = (Bitfield::complete(0), Source::empty());
            return Ok(Reader { hash, field, data: empty.clone(), outboard: empty });
        }
        if let Some(partial) = self.partials().get(&hash)
            && let Some((field, (data, outboard))) = partial.files()
        {
            return Ok(Reader { hash, field, data, outboard });
        }
        let Opened { row, data, outboard } = self.opened(&hash)?.ok_or_else(|| not_found(&hash))?;
        let data = data.map_err(|error| gone(&hash, &error))?;
        let outboard = outboard.map_err(|error| gone(&hash, &error))?;
        if let (Record::Complete { data: DataAt::External(_), size, .. }, Source::File(file)) =
            (&row, &data)
            && file.metadata().map_or(0, |metadata| metadata.len()) != *size
        {
            return Err(corrupt(&hash, 0));
        }
        Ok(Reader { hash, field: row.bitfield(), data, outboard })
    }

    /// The row of a blob with its files, as they are at one moment.
    pub(super) fn opened(&self, hash: &Hash) -> Result<Option<Opened>, Failure> {
        loop {
            if self.holds().is_going(hash) {
                return Ok(None);
            }
            let (row, inline, pairs) = self.catalog().read(|view| {
                let row = view.get(hash)?;
                let (inline, pairs) = match &row {
                    Some(Record::Complete { data, outboard, .. }) => (
                        matches!(data, DataAt::Inline).then(|| view.inline_data(hash)),
                        matches!(outboard, OutboardAt::Inline).then(|| view.inline_outboard(hash)),
                    ),
                    _ => (None, None),
                };
                Ok((row, inline.transpose()?.flatten(), pairs.transpose()?.flatten()))
            })?;
            let Some(row) = row else { return Ok(None) };
            let owned = |kind| self.place().open(hash, kind);
            let memory = |bytes: Option<Vec<u8>>| {
                let lost = || io::Error::new(io::ErrorKind::NotFound, "the catalog lacks them");
                bytes.map(|bytes| Source::Memory(bytes.into())).ok_or_else(lost)
            };
            let (data, outboard) = match &row {
                Record::Partial { .. } => (owned(Kind::Data), owned(Kind::Outboard)),
                Record::Complete { data, outboard, .. } => (
                    match data {
                        DataAt::Inline => memory(inline),
                        DataAt::Owned => owned(Kind::Data),
                        DataAt::External(path) => {
                            open_regular(path).map(|file| Source::File(Arc::new(file)))
                        }
                    },
                    match outboard {
                        OutboardAt::Nowhere => Ok(Source::empty()),
                        OutboardAt::Inline => memory(pairs),
                        OutboardAt::Owned => owned(Kind::Outboard),
                    },
                ),
            };
            // Files are opened after the look at the row. If it is another one by now they may be as well.
            let in_catalog = |source: &io::Result<Source>| matches!(source, Ok(Source::Memory(_)));
            if !(in_catalog(&data) && in_catalog(&outboard))
                && self.catalog().get(hash)?.as_ref() != Some(&row)
            {
                continue;
            }
            let (data, outboard) = if row.is_complete() {
                (data, outboard)
            } else {
                // What was never written has no file.
                (data.or_else(or_empty), outboard.or_else(or_empty))
            };
            return Ok(Some(Opened { row, data, outboard }));
        }
    }

    /// Opens a blob of which all is here, else `BLOB_INCOMPLETE`.
    pub fn complete_reader(&self, hash: &Hash) -> Result<Reader, Failure> {
        let reader = self.reader(hash)?;
        if reader.field.is_complete() { Ok(reader) } else { Err(incomplete(hash)) }
    }

    /// All of a blob, which is at most `max` bytes (`BLOB_TOO_LARGE`).
    pub fn get(&self, hash: &Hash, max: u64) -> Result<Vec<u8>, Failure> {
        let reader = self.complete_reader(hash)?;
        if reader.size() > max {
            let text = format!("the blob has {} bytes, the limit is {max}", reader.size());
            return Err(Failure::new(ErrorCode::BlobTooLarge, text));
        }
        reader.read(0, reader.size())
    }
}

impl Reader {
    /// Which blob.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// What was here when it was opened.
    pub fn field(&self) -> &Bitfield {
        &self.field
    }

    /// Bytes of the blob; of a partial one the best claim.
    pub fn size(&self) -> u64 {
        self.field.size()
    }

    /// Of something that may not be what it says.
    pub(super) fn new(hash: Hash, field: Bitfield, data: Source, outboard: Source) -> Self {
        Self { hash, field, data, outboard }
    }

    pub(super) fn data(&self) -> &Source {
        &self.data
    }

    pub(super) fn outboard(&self) -> &Source {
        &self.outboard
    }

    /// Gives `ranges` as a response, without the size in front.
    pub(crate) fn encoder(&self, ranges: ChunkRanges) -> Encoder<Source, Source> {
        Encoder::new(self.hash, self.size(), ranges, self.data.clone(), self.outboard.clone())
    }

    /// Bytes from `start` to before `end`, cut to the size, each checked against the hash. `BLOB_INCOMPLETE`,
    /// `BLOB_CORRUPT`.
    pub fn read(&self, start: u64, end: u64) -> Result<Vec<u8>, Failure> {
        let end = end.min(self.size());
        if start >= end {
            return Ok(Vec::new());
        }
        let ranges = chunks_of_bytes(start..end);
        if !(&ranges - self.field.ranges()).is_empty() {
            return Err(incomplete(&self.hash));
        }
        let mut out = Vec::new();
        let length = usize::try_from(end - start).unwrap_or(usize::MAX);
        out.try_reserve_exact(length).map_err(|_| too_much(end - start))?;
        out.resize(length, 0);
        let (mut items, mut leaf) = (self.encoder(ranges), Vec::new());
        while let Some(offset) = items.leaf(&mut leaf).map_err(|error| self.failure(&error))? {
            put(&mut out, start, offset, &leaf);
        }
        Ok(out)
    }

    /// The same, but not checked.
    pub(super) fn unchecked(&self, start: u64, end: u64) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        self.data.read_at(start, &mut bytes).map_err(|error| gone(&self.hash, &error))?;
        Ok(bytes)
    }

    /// What goes wrong while it is read.
    pub(crate) fn failure(&self, error: &EncodeError) -> Failure {
        match error {
            EncodeError::Mismatch { offset } => corrupt(&self.hash, *offset),
            EncodeError::Io(error) => gone(&self.hash, error),
        }
    }

    /// Bytes of the outboard.
    pub fn outboard_bytes(&self) -> u64 {
        outboard_bytes(self.size())
    }
}

/// Copies what of `data`, which lies at `offset` of the blob, falls into `out`, which begins at `start`.
fn put(out: &mut [u8], start: u64, offset: u64, data: &[u8]) {
    let (from, skip) = if offset >= start { (offset - start, 0) } else { (0, start - offset) };
    let (Ok(from), Ok(skip)) = (usize::try_from(from), usize::try_from(skip)) else { return };
    if let (Some(target), Some(data)) = (out.get_mut(from..), data.get(skip..)) {
        let count = target.len().min(data.len());
        target[..count].copy_from_slice(&data[..count]);
    }
}

fn or_empty(error: io::Error) -> io::Result<Source> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(Source::empty()),
        _ => Err(error),
    }
}

fn too_much(bytes: u64) -> Failure {
    let text = format!("there is no memory for {bytes} bytes");
    Failure::new(ErrorCode::BlobTooLarge, text)
}

/// Whether a file is not what the catalog says: it is not there, cut short, or something else.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput
    )
}

fn gone(hash: &Hash, error: &io::Error) -> Failure {
    if !is_gone(error) {
        return unreadable(hash, error);
    }
    let text = format!("bytes of the blob {} are gone: {error}", hash.fmt_short());
    Failure::new(ErrorCode::BlobCorrupt, text)
}

pub(super) fn unreadable(hash: &Hash, error: &io::Error) -> Failure {
    super::error::io(&format!("the blob {} can't be read", hash.fmt_short()), error)
}
