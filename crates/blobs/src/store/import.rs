//! Bytes from here: they are hashed, and then they are in the store.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use super::{
    Phase, Progress, Store,
    catalog::Tables,
    error::io as failed,
    holds::Hold,
    outboard::Outboard,
    place::{Kind, Place, Temp},
    quota::Reserved,
    record::{DataAt, OutboardAt, Record},
    source::Source,
};
use crate::{
    bao::{Hashed, hash_tree, outboard_bytes},
    proto::Bitfield,
};

/// Bytes copied between two looks at whether to go on.
const COPY: u64 = 8 << 20;

/// What was added. It is held until this is dropped.
pub struct Added {
    /// BLAKE3 of it.
    pub hash: Hash,
    /// Bytes.
    pub size: u64,
    /// Keeps it until a tag does.
    pub hold: Hold,
}

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Its bytes are copied.
    Copy,
    /// Its path is kept; it must not change any more.
    Reference,
}

/// Bytes whose place is known and whose hash is not.
enum Body {
    Memory(Bytes),
    Temp(Temp),
    External(PathBuf, Source),
}

impl Body {
    fn source(&self) -> Source {
        match self {
            Self::Memory(bytes) => Source::Memory(bytes.clone()),
            Self::Temp(temp) => temp.source().clone(),
            Self::External(_, source) => source.clone(),
        }
    }

    fn mode(&self) -> ImportMode {
        match self {
            Self::Memory(_) | Self::Temp(_) => ImportMode::Copy,
            Self::External(..) => ImportMode::Reference,
        }
    }
}

impl Store {
    /// Adds bytes that are in memory.
    pub fn import_bytes(&self, bytes: Bytes) -> Result<Added, Failure> {
        self.check_changes()?;
        let size = bytes.len() as u64;
        let reserved = self.reserve(size)?;
        self.import(Body::Memory(bytes), size, reserved, None, &|_, _| Ok(()))
    }

    /// Adds a file; `path` is absolute, symbolic links are followed once, now.
    pub fn import_file(
        &self,
        path: &Path,
        mode: ImportMode,
        progress: Progress<'_>,
    ) -> Result<Added, Failure> {
        self.import_path(path, mode, None, progress)
    }

    /// As `import_file`, of which the hash is known: any other file is `HASH_MISMATCH`, and nothing of it stays.
    pub fn import_known(
        &self,
        path: &Path,
        mode: ImportMode,
        hash: &Hash,
        progress: Progress<'_>,
    ) -> Result<Added, Failure> {
        self.import_path(path, mode, Some(hash), progress)
    }

    fn import_path(
        &self,
        path: &Path,
        mode: ImportMode,
        known: Option<&Hash>,
        progress: Progress<'_>,
    ) -> Result<Added, Failure> {
        self.check_changes()?;
        let what = || path.display().to_string();
        let real = fs::canonicalize(path).map_err(|error| failed(&what(), &error))?;
        let file = open_regular(&real).map_err(|error| failed(&what(), &error))?;
        let size = file.metadata().map_err(|error| failed(&what(), &error))?.len();
        let reserved = self.reserve(size)?;
        if size <= self.options().inline_data_bytes {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            crate::bao::ReadAt::read_at(&file, 0, &mut bytes)
                .map_err(|error| failed(&what(), &error))?;
            return self.import(Body::Memory(bytes.into()), size, reserved, known, progress);
        }
        if mode == ImportMode::Reference {
            let source = Source::File(Arc::new(file));
            return self.import(Body::External(real, source), size, reserved, known, progress);
        }
        let temp = self.temp()?;
        copy(&file, &temp, size, progress)?;
        self.import(Body::Temp(temp), size, reserved, known, progress)
    }

    /// Begins to add bytes that come in pieces.
    pub fn upload(&self) -> Result<Upload, Failure> {
        self.check_changes()?;
        let (temp, reserved) = (self.temp()?, self.reserve(0)?);
        Ok(Upload { store: self.clone(), temp, size: 0, reserved })
    }

    fn temp(&self) -> Result<Temp, Failure> {
        self.place().temp().map_err(|error| failed("a temporary file can't be made", &error))
    }

    pub(super) fn new_outboard(&self, size: u64) -> Result<Outboard, Failure> {
        if outboard_bytes(size) <= self.options().inline_outboard_bytes {
            Ok(Outboard::Memory(Source::Heap(Arc::default())))
        } else {
            Ok(Outboard::Temp(self.temp()?))
        }
    }

    fn import(
        &self,
        body: Body,
        size: u64,
        reserved: Reserved,
        known: Option<&Hash>,
        progress: Progress<'_>,
    ) -> Result<Added, Failure> {
        let outboard = self.new_outboard(size)?;
        let source = body.source();
        // What the user's progress said no with; the hasher speaks in errors of I/O.
        let refused = std::sync::Mutex::new(None);
        let note = |bytes| {
            progress(Phase::Hash, bytes).map_err(|failure| {
                *refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(failure);
                io::Error::other("the import was given up")
            })
        };
        let hashed = hash_tree(&source, size, &outboard, &note);
        let refused = refused.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Hashed { hash, .. } = match (hashed, refused) {
            (_, Some(failure)) => return Err(failure),
            (Err(error), None) => return Err(failed("what is imported can't be read", &error)),
            (Ok(hashed), None) => hashed,
        };
        let hash = Hash::from_bytes(hash);
        if known.is_some_and(|known| *known != hash) {
            let text = "the bytes do not match the hash";
            return Err(Failure::new(ErrorCode::HashMismatch, text));
        }
        let hold = self.hold(HashAndFormat::raw(hash));
        self.commit(&hash, size, body, outboard, reserved)?;
        self.watchers().tell(&hash, &Bitfield::complete(size));
        Ok(Added { hash, size, hold })
    }

    /// Bytes on disk, then their names, then the row that speaks of them.
    fn commit(
        &self,
        hash: &Hash,
        size: u64,
        body: Body,
        outboard: Outboard,
        reserved: Reserved,
    ) -> Result<(), Failure> {
        let mode = body.mode();
        if self.keeps(hash, mode)? {
            return Ok(());
        }
        let (place, limit) = (self.place(), self.options().inline_data_bytes);
        let broken = |error| failed("a file of the store can't be written", &error);
        // Before anybody has to wait for the turn.
        let body = match body {
            Body::Memory(bytes) if size > limit => {
                let temp = self.temp()?;
                temp.source().write_at(0, &bytes).map_err(broken)?;
                Body::Temp(temp)
            }
            body => body,
        };
        match &body {
            Body::Memory(_) => {}
            Body::Temp(temp) => place.sync(temp.source()).map_err(broken)?,
            // Not ours; where it can't be done, because it is open for reading only, the user has to see to it.
            Body::External(_, source) => drop(place.sync(source)),
        }
        outboard.sync(place).map_err(broken)?;
        let _turn = self.turns().take(hash);
        self.check_changes()?;
        let known = self.catalog().get(hash)?;
        if self.is_kept(known.as_ref(), hash, mode) {
            return Ok(());
        }
        // The row of one that is being filled may be on its way.
        let was_there = known.is_some() || self.partials().get(hash).is_some();
        let result = self.place_and_put(hash, size, body, outboard, was_there);
        // Also after a failure: then the row is the old one, and files that it does not need go.
        match self.catalog().get(hash) {
            Ok(row) if was_there || result.is_err() => self.tidy(hash, row.as_ref()),
            _ => {}
        }
        result?;
        reserved.keep(size);
        let before = match self.partials().take(hash) {
            Some(partial) => partial.end(),
            None => known.map_or(0, |row| row.bitfield().total_bytes()),
        };
        self.quota().give_back(before);
        Ok(())
    }

    fn place_and_put(
        &self,
        hash: &Hash,
        size: u64,
        body: Body,
        outboard: Outboard,
        settle: bool,
    ) -> Result<(), Failure> {
        let place = self.place();
        let broken = |error| failed("a file of the store can't be written", &error);
        let named = matches!(body, Body::Temp(_)) || matches!(outboard, Outboard::Temp(_));
        let (at, pairs) = outboard.keep(place, hash, size).map_err(broken)?;
        let (data, inline) = match body {
            Body::Memory(bytes) => (DataAt::Inline, Some(bytes)),
            Body::Temp(temp) => {
                place.keep(temp, hash, Kind::Data).map_err(broken)?;
                (DataAt::Owned, None)
            }
            Body::External(path, _) => (DataAt::External(path), None),
        };
        if named {
            place.sync_names().map_err(broken)?;
        }
        let (hash, row) = (*hash, Record::Complete { size, data, outboard: at });
        let put = move |tables: &mut Tables<'_>| {
            tables.put(&hash, &row, inline.as_deref(), pairs.as_deref())
        };
        // Files of a row that was there go after this.
        if settle { self.catalog().settle(put) } else { self.catalog().write(put) }
    }

    /// Whether an import of a blob in this mode would find that all is there already.
    pub fn keeps(&self, hash: &Hash, mode: ImportMode) -> Result<bool, Failure> {
        self.check()?;
        Ok(*hash == Hash::EMPTY || self.is_kept(self.row(hash)?.as_ref(), hash, mode))
    }

    /// Whether the store has these bytes already, as far as a look at sizes can tell. If it does not, a blob whose file was
    /// lost comes back with this import; and who asks for a copy does not get a reference.
    fn is_kept(&self, row: Option<&Record>, hash: &Hash, mode: ImportMode) -> bool {
        let Some(Record::Complete { size, data, outboard }) = row else { return false };
        let owned = |kind, bytes| match self.place() {
            Place::Heap(_) => true,
            Place::Directory { .. } => {
                let path = self.place().owned_path(hash, kind);
                fs::symlink_metadata(path).is_ok_and(|file| file.is_file() && file.len() >= bytes)
            }
        };
        let has_data = match data {
            DataAt::Inline => true,
            DataAt::Owned => owned(Kind::Data, *size),
            DataAt::External(path) => {
                mode == ImportMode::Reference
                    && fs::symlink_metadata(path)
                        .is_ok_and(|file| file.is_file() && file.len() == *size)
            }
        };
        has_data && (*outboard != OutboardAt::Owned || owned(Kind::Outboard, outboard_bytes(*size)))
    }
}

/// Bytes that come in pieces. Dropped unfinished they are gone.
pub struct Upload {
    store: Store,
    temp: Temp,
    size: u64,
    reserved: Reserved,
}

impl Upload {
    /// Adds to the end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.store.check()?;
        self.reserved.grow(bytes.len() as u64)?;
        let written = self.temp.source().write_at(self.size, bytes);
        written.map_err(|error| failed("a temporary file can't be written", &error))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// That was all.
    pub fn finish(self, progress: Progress<'_>) -> Result<Added, Failure> {
        let Self { store, temp, size, reserved } = self;
        store.check_changes()?;
        if size > store.options().inline_data_bytes {
            return store.import(Body::Temp(temp), size, reserved, None, progress);
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        crate::bao::ReadAt::read_at(temp.source(), 0, &mut bytes)
            .map_err(|error| failed("a temporary file can't be read", &error))?;
        store.import(Body::Memory(bytes.into()), size, reserved, None, progress)
    }
}

/// Opens what is a regular file; a pipe in its place must not make anyone wait.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NONBLOCK | libc::O_NOFOLLOW,
    );
    let other = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(other()),
        // A link, a socket, a device: each fails in its own way.
        Err(_) if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) => Err(other()),
        Err(error) => Err(error),
    }
}

fn copy(file: &File, temp: &Temp, size: u64, progress: Progress<'_>) -> Result<(), Failure> {
    let broken = |error| failed("the file can't be copied", &error);
    let mut done = 0;
    if let Source::File(target) = temp.source() {
        // Piece by piece in the kernel, where the file systems allow it.
        let (mut from, mut to) = (io::Read::take(file, COPY), &**target);
        while done < size {
            from.set_limit(COPY.min(size - done));
            let count = io::copy(&mut from, &mut to).map_err(broken)?;
            if count == 0 {
                let text = "the file became shorter while it was copied";
                return Err(Failure::new(ErrorCode::StoreFailed, text));
            }
            done += count;
            progress(Phase::Copy, count)?;
        }
        return Ok(());
    }
    let mut piece = vec![0; usize::try_from(COPY.min(size)).unwrap_or(0)];
    while done < size {
        let count = usize::try_from((size - done).min(COPY)).unwrap_or(0);
        crate::bao::ReadAt::read_at(file, done, &mut piece[..count]).map_err(broken)?;
        temp.source().write_at(done, &piece[..count]).map_err(broken)?;
        done += count as u64;
        progress(Phase::Copy, count as u64)?;
    }
    Ok(())
}
