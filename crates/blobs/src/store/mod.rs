//! The store: blobs in a directory or in memory, nothing unverified in it.
//!
//! All of this blocks on the disk and belongs on threads that may wait; nothing here knows an endpoint. Where to look:
//!
//! | Module | Noun |
//! |---|---|
//! | `catalog`, `tables`, `record`, `database` | rows of blobs and tags, committed in groups |
//! | `place`, `source`, `heap`, `owner` | bytes too large for the catalog, and whose they are |
//! | `import`, `outboard`, `many` | bytes from here: memory, files, streams; many small files |
//! | `writer`, `batch`, `partial`, `finish` | [`Writer`], bytes from peers, checked, in any order |
//! | `reader` | [`Reader`], verified bytes out |
//! | `export`, `staged` | a blob as a file |
//! | `tags`, `holds`, `gc` | what stays and what goes |
//! | `verify`, `repair` | is it still what it says, and if not |
//! | `mend` | the same for what a peer could not be sent |
//! | `turns`, `watch`, `quota`, `error`, `options` | the small things |
//!
//! Who waits for whom: a [`Turn`](turns::Turn) of a blob, then the catalog. Everything else is locked for moments only,
//! and nobody waits for a turn, the catalog or the disk meanwhile.

mod batch;
mod catalog;
mod database;
mod error;
mod export;
mod finish;
mod gc;
mod heap;
mod holds;
mod import;
mod many;
mod mend;
mod options;
mod outboard;
mod owner;
mod partial;
mod place;
mod quota;
mod reader;
mod record;
mod repair;
mod source;
mod staged;
mod tables;
mod tags;
mod turns;
mod verify;
mod watch;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_endpoint::Failure;

use self::catalog::Catalog;
pub use self::{
    batch::Batch,
    catalog::Pending,
    export::{ExportMode, ExportOptions},
    gc::Collected,
    holds::Hold,
    import::{Added, ImportMode, Upload},
    options::StoreOptions,
    reader::Reader,
    tags::{Tag, TagRange},
    verify::{Checked, Verdict},
    watch::Watch,
    writer::{Writer, Written},
};
pub(crate) use self::{error::io as io_failed, import::open_regular, many::Later, source::Source};
use self::{
    holds::Holds,
    mend::Mending,
    owner::Owner,
    partial::Partials,
    place::{Kind, Place},
    quota::{Quota, Reserved},
    record::Record,
    turns::Turns,
    watch::Watchers,
};
use crate::proto::Bitfield;

/// Tells how a long operation goes, and whether it should end: an error ends it.
pub type Progress<'a> = &'a (dyn Fn(Phase, u64) -> Result<(), Failure> + Sync);

/// What an import or export is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bytes are copied into the store.
    Copy,
    /// They are hashed.
    Hash,
    /// They are written out.
    Write,
}

/// A handle of a store; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    catalog: Catalog,
    parts: Parts,
    options: StoreOptions,
    /// One collection at a time.
    collecting: Mutex<()>,
    /// What was found damaged.
    mending: Arc<Mending>,
    closed: AtomicBool,
    fixed: bool,
    /// Given up last. `None` in memory, and after the end.
    owner: Mutex<Option<Owner>>,
}

/// Everything but the catalog: what its thread may use as well.
#[derive(Clone)]
struct Parts {
    place: Arc<Place>,
    holds: Holds,
    watchers: Watchers,
    quota: Quota,
    partials: Partials,
    turns: Turns,
}

/// What is known of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub hash: Hash,
    /// Bytes; of a partial blob the best claim.
    pub size: u64,
    /// Whether all is here.
    pub complete: bool,
}

impl Store {
    /// Blobs in memory.
    pub fn memory(options: StoreOptions) -> Result<Self, Failure> {
        Ok(Self::new(Catalog::memory()?, Place::heap(), options, 0, None))
    }

    /// Blobs in memory that never change.
    pub fn fixed(contents: Vec<bytes::Bytes>) -> Result<Self, Failure> {
        let store = Self::memory(StoreOptions::default())?;
        for bytes in contents {
            store.import_bytes(bytes)?;
        }
        let Self(inner) = store;
        let inner = Arc::try_unwrap(inner)
            .map_err(|_| Failure::new(ErrorCode::Internal, "a new store has one owner"))?;
        Ok(Self(Arc::new(Inner { fixed: true, ..inner })))
    }

    /// Blobs in a directory, that is made if it is not there. One owner at a time: `STORE_LOCKED`. Sweeps what a process
    /// that died has left behind.
    pub fn open(root: &Path, options: StoreOptions) -> Result<Self, Failure> {
        let failed = |error| error::io("the store's directory can't be used", &error);
        let made = !root.exists();
        std::fs::create_dir_all(root).map_err(failed)?;
        // A relative path would follow the process to another directory.
        let root = &std::fs::canonicalize(root).map_err(failed)?;
        let owner = Owner::claim(root)?;
        let catalog = Catalog::open(&root.join("catalog.redb"), options.durable)?;
        let place = Place::directory(root, options.durable).map_err(failed)?;
        if made
            && options.durable
            && let Some(parent) = root.parent()
        {
            place::sync_folder(parent).map_err(failed)?;
        }
        let wanted = |hash: &Hash, kind| match catalog.get(hash) {
            Ok(row) => row.is_some_and(|row| row.needs(kind)),
            // What can't be read is not swept.
            Err(_) => true,
        };
        place.sweep(wanted).map_err(failed)?;
        let mut used: u64 = 0;
        if options.max_bytes.is_some() {
            let mut after = None;
            loop {
                let rows = catalog.read(|view| view.rows(after.as_ref(), 4096))?;
                let Some((last, _)) = rows.last() else { break };
                after = Some(*last);
                for (_, row) in &rows {
                    used = used.saturating_add(row.bitfield().total_bytes());
                }
            }
        }
        Ok(Self::new(catalog, place, options, used, Some(owner)))
    }

    fn new(
        catalog: Catalog,
        place: Place,
        options: StoreOptions,
        used: u64,
        owner: Option<Owner>,
    ) -> Self {
        let parts = Parts {
            place: Arc::new(place),
            holds: Holds::default(),
            watchers: Watchers::default(),
            quota: Quota::new(used, options.max_bytes),
            partials: Partials::default(),
            turns: Turns::default(),
        };
        Self(Arc::new(Inner {
            catalog,
            parts,
            options,
            collecting: Mutex::default(),
            mending: Arc::default(),
            closed: AtomicBool::new(false),
            fixed: false,
            owner: Mutex::new(owner),
        }))
    }

    /// Everything acknowledged is on disk.
    pub fn sync(&self) -> Result<(), Failure> {
        self.check()?;
        self.0.catalog.flush()
    }

    /// Ends the store: progress is brought to the disk, what still runs fails with `STORE_CLOSED`, as all later calls do,
    /// and the directory is free when this returns.
    pub fn close(&self) {
        self.0.closed.store(true, Relaxed);
        // Who comes second waits for the first, and finds nothing to do.
        let mut owner = self.0.owner.lock().unwrap_or_else(PoisonError::into_inner);
        self.mended();
        for (hash, partial) in self.partials().all() {
            if let Err(failure) = self.checkpoint_last(&hash, &partial) {
                tracing::warn!(%failure, "progress of a partial blob is not on the disk");
            }
        }
        self.catalog().stop();
        // Whoever is at the files of a blob ends, and whoever comes to them sees that the store is closed.
        self.turns().rest();
        self.catalog().close();
        *owner = None;
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Relaxed)
    }

    /// What is here of a blob; the empty blob always is.
    pub fn bitfield(&self, hash: &Hash) -> Result<Bitfield, Failure> {
        self.check()?;
        if *hash == Hash::EMPTY {
            return Ok(Bitfield::complete(0));
        }
        if let Some(partial) = self.partials().get(hash) {
            return Ok(partial.field());
        }
        Ok(self.row(hash)?.map_or_else(Bitfield::empty, |row| row.bitfield()))
    }

    /// Whether a row tells of it, complete or not.
    pub fn has_row(&self, hash: &Hash) -> Result<bool, Failure> {
        self.check()?;
        Ok(*hash == Hash::EMPTY || self.row(hash)?.is_some())
    }

    /// A row for whoever has no turn: what is as good as removed is not there, so that what is seen and held stays.
    fn row(&self, hash: &Hash) -> Result<Option<Record>, Failure> {
        if self.holds().is_going(hash) { Ok(None) } else { self.catalog().get(hash) }
    }

    /// Blobs in order of their hashes, those after `after`, at most `limit`.
    pub fn list(&self, after: Option<&Hash>, limit: usize) -> Result<Vec<Listed>, Failure> {
        self.check()?;
        let rows = self.0.catalog.read(|view| view.rows(after, limit))?;
        let listed = |(hash, row): (Hash, Record)| Listed {
            hash,
            size: row.size(),
            complete: row.is_complete(),
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Hears of changes to a blob, here or not.
    pub fn watch(&self, hash: Hash) -> Result<Watch, Failure> {
        self.watchers().watch(hash, || self.bitfield(&hash))
    }

    /// How many blobs are watched.
    pub fn watched(&self) -> usize {
        self.watchers().count()
    }

    /// Keeps a blob from being collected until the answer is dropped.
    pub fn hold(&self, content: HashAndFormat) -> Hold {
        self.holds().hold(content)
    }

    /// What operations and batches hold.
    pub fn held(&self) -> Vec<HashAndFormat> {
        self.holds().all()
    }

    /// Bytes of all blobs, as far as they are counted: from the start with a limit, else since it was opened.
    pub fn used_bytes(&self) -> u64 {
        self.quota().used()
    }

    fn check(&self) -> Result<(), Failure> {
        if self.is_closed() { Err(catalog::closed()) } else { Ok(()) }
    }

    fn check_changes(&self) -> Result<(), Failure> {
        self.check()?;
        if self.0.fixed {
            return Err(Failure::new(ErrorCode::NotAllowed, "this store never changes"));
        }
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> Result<Reserved, Failure> {
        self.quota().reserve(bytes)
    }

    fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    fn options(&self) -> &StoreOptions {
        &self.0.options
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    fn place(&self) -> &Place {
        &self.0.parts.place
    }

    fn holds(&self) -> &Holds {
        &self.0.parts.holds
    }

    fn watchers(&self) -> &Watchers {
        &self.0.parts.watchers
    }

    fn quota(&self) -> &Quota {
        &self.0.parts.quota
    }

    fn partials(&self) -> &Partials {
        &self.0.parts.partials
    }

    fn turns(&self) -> &Turns {
        &self.0.parts.turns
    }

    /// Removes the files of a blob that its row does not need; whoever calls this has the turn.
    fn tidy(&self, hash: &Hash, row: Option<&Record>) {
        for kind in [Kind::Data, Kind::Outboard] {
            if !row.is_some_and(|row| row.needs(kind))
                && let Err(error) = self.place().remove(hash, kind)
            {
                tracing::warn!(%error, "a file that nobody needs stays until the store opens again");
            }
        }
    }
}
