//! The bytes of a blob of which all should be there.

use std::path::{Path, PathBuf};

use gaiwan_base::ErrorCode;
use gaiwan_endpoint::Failure;

use super::{
    part,
    run::{Outcome, Share, is_of_blob, open},
    tables::{DataAt, Kind, OutboardAt},
};
use crate::store::{ImportMode, Phase, Source, io_failed};

impl Share<'_> {
    /// Its pairs are made anew from its bytes, so that those of the directory are needed only where bytes are not what
    /// they were.
    pub(super) fn complete(&self, data: &DataAt, pairs: OutboardAt) -> Result<Outcome, Failure> {
        // What the user does not want to be a reference is copied, although it is here as one.
        if self.run.store.keeps(&self.row.hash, self.run.mode)? {
            return Ok(Outcome::Known);
        }
        match data {
            DataAt::Inline(()) => self.inline(),
            DataAt::Owned(size) => {
                let path = self.run.from.file(&self.row.hash, Kind::Data);
                self.file(&path, ImportMode::Copy, *size, pairs)
            }
            DataAt::External(paths, size) => self.external(paths, *size, pairs),
        }
    }

    fn inline(&self) -> Result<Outcome, Failure> {
        let Some(bytes) = self.run.from.inline_data(&self.row.hash)? else {
            return Ok(Outcome::Less(0, "the database lacks its bytes".into()));
        };
        if blake3::hash(&bytes) != *self.row.hash.as_bytes() {
            return Ok(Outcome::Less(0, "its bytes in the database do not match the hash".into()));
        }
        self.note(Phase::Hash, bytes.len() as u64)?;
        self.run.store.import_bytes_later(bytes).map(Outcome::Later)
    }

    /// The first file that has the bytes, of several that should.
    fn external(
        &self,
        paths: &[PathBuf],
        size: u64,
        pairs: OutboardAt,
    ) -> Result<Outcome, Failure> {
        let (mut came, mut messages) = (0, Vec::new());
        for path in paths {
            // Where it is would depend on where this process is.
            if !path.is_absolute() {
                messages.push(format!("{}: not an absolute path", path.display()));
                continue;
            }
            match self.file(path, self.run.mode, size, pairs) {
                Ok(Outcome::Less(bytes, message)) => {
                    came += bytes;
                    messages.push(message);
                }
                Err(failure) if is_of_blob(&failure) => messages.push(failure.message),
                // What was wrong with the others does not matter any more.
                Ok(Outcome::Whole(bytes)) => return Ok(Outcome::Whole(came + bytes)),
                outcome => return outcome,
            }
        }
        if messages.is_empty() {
            messages.push("its row names no file".into());
        }
        Ok(Outcome::Less(came, messages.join("; ")))
    }

    fn file(
        &self,
        path: &Path,
        mode: ImportMode,
        size: u64,
        pairs: OutboardAt,
    ) -> Result<Outcome, Failure> {
        let shown = path.display();
        let (store, hash) = (self.run.store, &self.row.hash);
        let data = open(path).map_err(|error| io_failed(&shown.to_string(), &error))?;
        let length = match &data {
            Source::File(file) => file.metadata().map_or(0, |metadata| metadata.len()),
            _ => 0,
        };
        let why = if length == size {
            let note = |phase, bytes| self.note(phase, bytes);
            match store.import_known(path, mode, hash, &note) {
                Ok(_) => return Ok(Outcome::Whole(size)),
                Err(failure) if failure.code == ErrorCode::HashMismatch => {
                    format!("{shown}: its bytes do not match the hash")
                }
                Err(failure) => return Err(failure),
            }
        } else {
            format!("{shown}: it has {length} bytes in place of {size}")
        };
        let pairs = match pairs {
            OutboardAt::Inline(()) => self.run.from.inline_outboard(hash)?.map(Source::Memory),
            OutboardAt::Owned => open(&self.run.from.file(hash, Kind::Outboard)).ok(),
            OutboardAt::NotNeeded => None,
        };
        let brought = part::bring(self, size, &data, &pairs.unwrap_or_else(Source::empty))?;
        Ok(if brought.is_complete {
            Outcome::Whole(brought.bytes)
        } else {
            Outcome::Less(brought.bytes, why)
        })
    }
}
