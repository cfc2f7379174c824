//! Rows of a directory (`iroh-blobs` 0.104, `src/store/fs/meta/tables.rs` and `entry_state.rs`), and its files.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;
use redb::{ReadOnlyTable, ReadableTable, TableDefinition, TypeName};
use serde::Deserialize;

use super::database::{Database, broken, caught};
use crate::store::Tag;

/// A type of the reference by its name there; what it holds is taken apart here, so that nothing in it can harm.
macro_rules! named {
    ($type:ident, $name:literal, $width:expr) => {
        #[derive(Debug)]
        pub(super) struct $type;

        impl redb::Value for $type {
            type SelfType<'a> = &'a [u8];
            type AsBytes<'a> = &'a [u8];

            fn fixed_width() -> Option<usize> {
                $width
            }

            fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
            where
                Self: 'a,
            {
                data
            }

            fn as_bytes<'a, 'b: 'a>(value: &'a &'b [u8]) -> &'a [u8]
            where
                Self: 'b,
            {
                value
            }

            fn type_name() -> TypeName {
                TypeName::new($name)
            }
        }

        impl redb::Key for $type {
            fn compare(one: &[u8], other: &[u8]) -> std::cmp::Ordering {
                one.cmp(other)
            }
        }
    };
}

named!(HashKey, "iroh_blobs::Hash", Some(32));
named!(Content, "iroh_blobs::HashAndFormat", Some(33));
named!(TagKey, "Tag", None);
named!(Entry, "EntryState", None);

pub(super) const BLOBS: TableDefinition<'_, HashKey, Entry> = TableDefinition::new("blobs-0");
pub(super) const TAGS: TableDefinition<'_, TagKey, Content> = TableDefinition::new("tags-0");
pub(super) const DATA: TableDefinition<'_, HashKey, &[u8]> = TableDefinition::new("inline-data-0");
pub(super) const OUTBOARDS: TableDefinition<'_, HashKey, &[u8]> =
    TableDefinition::new("inline-outboard-0");

type Inline = ReadOnlyTable<HashKey, &'static [u8]>;

/// What a row says of a blob, in postcard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) enum State {
    /// All should be there.
    Complete { data: DataAt, outboard: OutboardAt },
    /// Some; the size once it is proven.
    Partial { size: Option<u64> },
}

/// Where data lies, and how long it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) enum DataAt {
    Inline(()),
    Owned(u64),
    /// In any of these files of the user.
    External(Vec<PathBuf>, u64),
}

/// Where pairs lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum OutboardAt {
    Inline(()),
    Owned,
    NotNeeded,
}

/// A row of the table of blobs.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) hash: Hash,
    /// `None`: nobody can read it.
    pub(super) state: Option<State>,
    /// Bytes to be read.
    pub(super) bytes: u64,
}

/// Which of its files.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Data,
    Outboard,
    /// Of a partial blob: a u64 for each group, the size that was claimed when it was written (`bao_file.rs`).
    Sizes,
}

/// A directory of the reference. While it is open, the reference can't open it.
pub struct Directory {
    files: PathBuf,
    path: PathBuf,
    pub(super) rows: Vec<Row>,
    pub(super) tags: Vec<Tag>,
    data: Inline,
    outboards: Inline,
    /// Given up last.
    pub(super) _database: Database,
}

impl Directory {
    /// Reads all rows; `look` is asked now and then whether to go on. `STORE_LOCKED` if it is open elsewhere,
    /// `STORE_FAILED` if it is no such directory.
    pub fn open(root: &Path, look: &dyn Fn() -> Result<(), Failure>) -> Result<Self, Failure> {
        let (path, files) = (root.join("blobs.db"), root.join("data"));
        let database = Database::open(&path)?;
        let (data, outboards, blobs, tags) = caught(&path, || {
            let txn = database.begin_read(&path)?;
            Ok((
                txn.open_table(DATA).map_err(|error| broken(&path, error))?,
                txn.open_table(OUTBOARDS).map_err(|error| broken(&path, error))?,
                txn.open_table(BLOBS).map_err(|error| broken(&path, error))?,
                txn.open_table(TAGS).map_err(|error| broken(&path, error))?,
            ))
        })?;
        let (rows, tags) = (Vec::new(), caught(&path, || read_tags(&path, &tags))?);
        let mut directory = Self { files, path, rows, tags, data, outboards, _database: database };
        let path = &directory.path;
        directory.rows = caught(path, || {
            let mut rows = Vec::new();
            for row in blobs.iter().map_err(|error| broken(path, error))? {
                if rows.len().is_multiple_of(4096) {
                    look()?;
                }
                let (key, value) = row.map_err(|error| broken(path, error))?;
                let hash = Hash::try_from(key.value()).map_err(|_| damaged(path))?;
                let state = postcard::from_bytes(value.value()).ok();
                let bytes = directory.bytes(&hash, state.as_ref())?;
                rows.push(Row { hash, state, bytes });
            }
            Ok(rows)
        })?;
        Ok(directory)
    }

    /// How many rows.
    pub fn blobs(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Bytes of them all.
    pub fn total_bytes(&self) -> u64 {
        self.rows.iter().fold(0, |sum, row| sum.saturating_add(row.bytes))
    }

    fn bytes(&self, hash: &Hash, state: Option<&State>) -> Result<u64, Failure> {
        let inline = |table: &Inline| {
            let row = table.get(&hash.as_bytes()[..]).map_err(|error| broken(&self.path, error))?;
            Ok(row.map_or(0, |row| row.value().len() as u64))
        };
        match state {
            Some(State::Complete { data: DataAt::Inline(()), .. }) => inline(&self.data),
            Some(State::Complete {
                data: DataAt::Owned(size) | DataAt::External(_, size), ..
            }) => Ok(*size),
            Some(State::Partial { .. }) => {
                let file = std::fs::symlink_metadata(self.file(hash, Kind::Data));
                Ok(file.map_or(0, |file| file.len()))
            }
            None => Ok(0),
        }
    }

    /// Where a file of a blob lies, or should.
    pub(super) fn file(&self, hash: &Hash, kind: Kind) -> PathBuf {
        let suffix = match kind {
            Kind::Data => "data",
            Kind::Outboard => "obao4",
            Kind::Sizes => "sizes4",
        };
        self.files.join(format!("{hash}.{suffix}"))
    }

    /// Data in the database.
    pub(super) fn inline_data(&self, hash: &Hash) -> Result<Option<Bytes>, Failure> {
        self.inline(&self.data, hash)
    }

    /// Pairs in the database.
    pub(super) fn inline_outboard(&self, hash: &Hash) -> Result<Option<Bytes>, Failure> {
        self.inline(&self.outboards, hash)
    }

    fn inline(&self, table: &Inline, hash: &Hash) -> Result<Option<Bytes>, Failure> {
        caught(&self.path, || {
            let row = table.get(&hash.as_bytes()[..]).map_err(|error| broken(&self.path, error))?;
            Ok(row.map(|row| Bytes::copy_from_slice(row.value())))
        })
    }
}

fn read_tags(path: &Path, table: &ReadOnlyTable<TagKey, Content>) -> Result<Vec<Tag>, Failure> {
    let mut tags = Vec::new();
    for row in table.iter().map_err(|error| broken(path, error))? {
        let (name, content) = row.map_err(|error| broken(path, error))?;
        let content = HashAndFormat::try_from(content.value()).map_err(|_| damaged(path))?;
        tags.push(Tag { name: Bytes::copy_from_slice(name.value()), content });
    }
    Ok(tags)
}

fn damaged(path: &Path) -> Failure {
    let text = format!("{} has a row that nobody can read", path.display());
    Failure::new(ErrorCode::StoreFailed, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_the_reference() {
        let state = |bytes: &[u8]| postcard::from_bytes::<State>(bytes).unwrap();
        let complete = |data, outboard| State::Complete { data, outboard };
        assert_eq!(state(&[0, 0, 2]), complete(DataAt::Inline(()), OutboardAt::NotNeeded));
        assert_eq!(
            state(&[0, 1, 0x80, 1, 0]),
            complete(DataAt::Owned(128), OutboardAt::Inline(()))
        );
        let external = DataAt::External(vec!["/a".into()], 5);
        assert_eq!(state(&[0, 2, 1, 2, b'/', b'a', 5, 1]), complete(external, OutboardAt::Owned));
        assert_eq!(state(&[1, 0]), State::Partial { size: None });
        assert_eq!(state(&[1, 1, 7]), State::Partial { size: Some(7) });
        assert!(postcard::from_bytes::<State>(&[2]).is_err());
    }
}
