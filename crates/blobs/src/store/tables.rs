//! The tables of the catalog: inside a change, and as they are at one moment.

use std::cell::Cell;

use gaiwan_base::Hash;
use gaiwan_endpoint::Failure;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::{
    database::{broken, failed},
    record::Record,
};

const BLOBS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("blobs");
const DATA: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("inline-data");
const OUTBOARDS: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("inline-outboards");
const TAGS: TableDefinition<'_, &[u8], [u8; 33]> = TableDefinition::new("tags");

/// The tables inside a change.
pub(crate) struct Tables<'t> {
    blobs: Table<'t, [u8; 32], &'static [u8]>,
    data: Table<'t, [u8; 32], &'static [u8]>,
    outboards: Table<'t, [u8; 32], &'static [u8]>,
    pub(super) tags: Table<'t, &'static [u8], [u8; 33]>,
}

impl<'t> Tables<'t> {
    pub(super) fn open(txn: &'t WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            blobs: txn.open_table(BLOBS).map_err(broken)?,
            data: txn.open_table(DATA).map_err(broken)?,
            outboards: txn.open_table(OUTBOARDS).map_err(broken)?,
            tags: txn.open_table(TAGS).map_err(broken)?,
        })
    }

    pub(crate) fn get(&self, hash: &Hash) -> Result<Option<Record>, Failure> {
        let row = self.blobs.get(hash.as_bytes()).map_err(broken)?;
        row.map(|row| decode(row.value())).transpose()
    }

    /// Sets a row; inline bytes that are not given are removed.
    pub(crate) fn put(
        &mut self,
        hash: &Hash,
        record: &Record,
        data: Option<&[u8]>,
        outboard: Option<&[u8]>,
    ) -> Result<(), Failure> {
        self.set_row(hash, record)?;
        set(&mut self.data, hash, data)?;
        set(&mut self.outboards, hash, outboard)
    }

    /// Sets the inline outboard of a row, or removes it.
    pub(crate) fn set_outboard(
        &mut self,
        hash: &Hash,
        outboard: Option<&[u8]>,
    ) -> Result<(), Failure> {
        set(&mut self.outboards, hash, outboard)
    }

    /// Sets a row; inline bytes stay as they are.
    pub(crate) fn set_row(&mut self, hash: &Hash, record: &Record) -> Result<(), Failure> {
        let row = postcard::to_allocvec(record)
            .map_err(|error| failed("a row can't be written", error))?;
        self.blobs.insert(hash.as_bytes(), &row[..]).map_err(broken)?;
        Ok(())
    }

    /// Removes a row and its inline bytes.
    pub(crate) fn remove(&mut self, hash: &Hash) -> Result<Option<Record>, Failure> {
        self.data.remove(hash.as_bytes()).map_err(broken)?;
        self.outboards.remove(hash.as_bytes()).map_err(broken)?;
        let row = self.blobs.remove(hash.as_bytes()).map_err(broken)?;
        row.map(|row| decode(row.value())).transpose()
    }
}

/// The tables as they are at one moment.
pub(crate) struct View {
    txn: redb::ReadTransaction,
    failed: Cell<bool>,
}

impl View {
    pub(super) fn new(txn: redb::ReadTransaction) -> Self {
        Self { txn, failed: Cell::new(false) }
    }

    /// Whether the database itself failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// A failure of the database, that is remembered.
    pub(super) fn broken(&self, error: impl Into<redb::Error>) -> Failure {
        self.failed.set(true);
        broken(error)
    }

    pub(crate) fn get(&self, hash: &Hash) -> Result<Option<Record>, Failure> {
        let table = self.txn.open_table(BLOBS).map_err(|error| self.broken(error))?;
        let row = table.get(hash.as_bytes()).map_err(|error| self.broken(error))?;
        row.map(|row| decode(row.value())).transpose()
    }

    pub(crate) fn inline_data(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Failure> {
        self.inline(DATA, hash)
    }

    pub(crate) fn inline_outboard(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Failure> {
        self.inline(OUTBOARDS, hash)
    }

    fn inline(
        &self,
        table: TableDefinition<'_, [u8; 32], &'static [u8]>,
        hash: &Hash,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let table = self.txn.open_table(table).map_err(|error| self.broken(error))?;
        let bytes = table.get(hash.as_bytes()).map_err(|error| self.broken(error))?;
        Ok(bytes.map(|bytes| bytes.value().to_vec()))
    }

    /// Rows in order of their hashes, those after `after`, at most `limit`.
    pub(crate) fn rows(
        &self,
        after: Option<&Hash>,
        limit: usize,
    ) -> Result<Vec<(Hash, Record)>, Failure> {
        let table = self.txn.open_table(BLOBS).map_err(|error| self.broken(error))?;
        let start = after.map_or([0; 32], |hash| *hash.as_bytes());
        let mut rows = Vec::new();
        for row in table.range(start..).map_err(|error| self.broken(error))? {
            let (key, value) = row.map_err(|error| self.broken(error))?;
            let hash = Hash::from_bytes(key.value());
            if Some(&hash) == after {
                continue;
            }
            if rows.len() == limit {
                break;
            }
            rows.push((hash, decode(value.value())?));
        }
        Ok(rows)
    }

    pub(super) fn tags(&self) -> Result<redb::ReadOnlyTable<&'static [u8], [u8; 33]>, Failure> {
        self.txn.open_table(TAGS).map_err(|error| self.broken(error))
    }
}

fn set(
    table: &mut Table<'_, [u8; 32], &'static [u8]>,
    hash: &Hash,
    bytes: Option<&[u8]>,
) -> Result<(), Failure> {
    match bytes {
        Some(bytes) => drop(table.insert(hash.as_bytes(), bytes).map_err(broken)?),
        None => drop(table.remove(hash.as_bytes()).map_err(broken)?),
    }
    Ok(())
}

fn decode(row: &[u8]) -> Result<Record, Failure> {
    postcard::from_bytes(row).map_err(|error| failed("a row of the catalog is damaged", error))
}
