//! The catalog: rows of blobs, small blobs themselves, and tags, in redb.
//!
//! One thread writes. It commits what has come in meanwhile at once, so that many small blobs cost one flush, and it
//! answers after the commit: what is acknowledged is on disk. It never waits for anything but the disk, so whoever holds
//! a blob's [`Turn`](super::turns::Turn) may wait for it.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_endpoint::Failure;
use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

pub(super) use super::database::{broken, closed};
pub(crate) use super::tables::{Tables, View};
use super::{
    database::{Database, failed},
    record::Record,
};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The layout that this code reads and writes.
const LAYOUT: u64 = 1;
/// Changes in one commit, and changes that can wait for one: who comes then waits.
const BATCH: usize = 1024;
/// How old a change may get before it is flushed, where nobody waits for the disk.
const RELAXED: Duration = Duration::from_secs(1);

type Done = Box<dyn FnOnce(Result<(), Failure>) + Send>;
/// Given the tables, or why there are none; answers as well whether the disk was full for it.
type Change = Box<dyn FnOnce(Result<&mut Tables<'_>, Failure>) -> (Done, Option<Failure>) + Send>;

enum Job {
    Change {
        change: Change,
        /// Flushed, whatever the durability.
        settle: bool,
    },
    /// Everything before it must be on disk.
    Flush(Done),
    Stop,
}

/// The answer to a change, which comes when it is on disk. Whether anybody waits for it or not, the change is made.
#[must_use]
pub struct Pending<T>(Receiver<Result<T, Failure>>);

impl<T> Pending<T> {
    /// Blocks until the change is on disk.
    pub fn wait(self) -> Result<T, Failure> {
        self.0.recv().unwrap_or_else(|_| Err(closed()))
    }
}

pub(crate) struct Catalog {
    database: Arc<Database>,
    jobs: SyncSender<Job>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Catalog {
    /// Opens the file, or makes it; one owner at a time.
    pub(crate) fn open(path: &Path, durable: bool) -> Result<Self, Failure> {
        Self::start(Database::open(path)?, durable)
    }

    pub(crate) fn memory() -> Result<Self, Failure> {
        Self::start(Database::memory()?, false)
    }

    fn start(database: Database, durable: bool) -> Result<Self, Failure> {
        database.with(|database| {
            let txn = database.begin_write().map_err(broken)?;
            prepare(&txn)?;
            txn.commit().map_err(broken)
        })?;
        let database = Arc::new(database);
        let (jobs, inbox) = mpsc::sync_channel(BATCH);
        let shared = database.clone();
        let writer = std::thread::Builder::new()
            .name("gaiwan-blobs".into())
            .spawn(move || write_all(&shared, &inbox, durable))
            .map_err(|error| failed("the catalog's thread can't be started", error))?;
        Ok(Self { database, jobs, writer: Mutex::new(Some(writer)) })
    }

    /// Changes rows; the answer comes after the commit. All of `change` happens or nothing, if it checks before it writes.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Pending<T> {
        self.send(change, |_| {}, false)
    }

    /// As `submit`; `after` runs on the catalog's thread, before anybody is answered and before the next change. It must
    /// not wait for the catalog, or own the store. It is dropped uncalled if the catalog ends before.
    pub(crate) fn submit_then<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
        after: impl FnOnce(&Result<T, Failure>) + Send + 'static,
    ) -> Pending<T> {
        self.send(change, after, false)
    }

    /// As `submit`, and waits.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.submit(change).wait()
    }

    /// As `write`, and on disk whatever the durability: for what can't be undone after it, as the end of a file.
    pub(crate) fn settle<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.send(change, |_| {}, true).wait()
    }

    fn send<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T, Failure> + Send + 'static,
        after: impl FnOnce(&Result<T, Failure>) + Send + 'static,
        settle: bool,
    ) -> Pending<T> {
        let (sender, receiver) = mpsc::channel();
        let change: Change = Box::new(move |tables| {
            let result = tables.and_then(change);
            let full = result.as_ref().err().filter(|own| own.code == ErrorCode::StoreFull);
            let full = full.cloned();
            let done = move |committed: Result<(), Failure>| {
                // What went wrong first.
                let result = result.and_then(|value| committed.map(|()| value));
                after(&result);
                // Who does not wait any more does not hear it.
                let _ = sender.send(result);
            };
            (Box::new(done), full)
        });
        // Closed: the receiver learns it, for the job with its sender is dropped.
        let _ = self.jobs.send(Job::Change { change, settle });
        Pending(receiver)
    }

    /// Blocks until all changes before are on disk.
    pub(crate) fn flush(&self) -> Result<(), Failure> {
        let (sender, receiver) = mpsc::channel();
        let _ = self.jobs.send(Job::Flush(Box::new(move |done| drop(sender.send(done)))));
        Pending(receiver).wait()
    }

    /// Flushes what has come, and ends the writer.
    pub(crate) fn stop(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = self.jobs.send(Job::Stop);
            let _ = writer.join();
        }
    }

    /// Gives the file up.
    pub(crate) fn close(&self) {
        self.stop();
        self.database.close();
    }

    /// Reads as of now.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&View) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.database.with(|database| {
            let txn = database.begin_read().map_err(|error| {
                self.database.suspect();
                broken(error)
            })?;
            let view = View::new(txn);
            let result = read(&view);
            if view.has_failed() {
                self.database.suspect();
            }
            result
        })
    }

    pub(crate) fn get(&self, hash: &Hash) -> Result<Option<Record>, Failure> {
        self.read(|view| view.get(hash))
    }
}

impl Drop for Catalog {
    fn drop(&mut self) {
        self.close();
    }
}

fn prepare(txn: &WriteTransaction) -> Result<(), Failure> {
    let _ = Tables::open(txn)?;
    let mut meta = txn.open_table(META).map_err(broken)?;
    let found = meta.get("layout").map_err(broken)?.map(|value| value.value());
    match found {
        None => {
            meta.insert("layout", LAYOUT).map_err(broken)?;
            Ok(())
        }
        Some(LAYOUT) => Ok(()),
        Some(other) => {
            let text = format!("the store has layout {other}, this version reads {LAYOUT}");
            Err(Failure::new(ErrorCode::StoreFailed, text))
        }
    }
}

fn write_all(database: &Database, inbox: &Receiver<Job>, durable: bool) {
    let mut unflushed: Option<Instant> = None;
    loop {
        let first = match unflushed {
            Some(since) => match inbox.recv_timeout(RELAXED.saturating_sub(since.elapsed())) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => Job::Flush(Box::new(drop)),
                Err(RecvTimeoutError::Disconnected) => Job::Stop,
            },
            None => inbox.recv().unwrap_or(Job::Stop),
        };
        let (mut changes, mut flushes) = (VecDeque::new(), Vec::new());
        let (mut stop, mut flush) = (false, durable);
        let rest = std::iter::from_fn(|| inbox.try_recv().ok());
        for job in std::iter::once(first).chain(rest.take(BATCH)) {
            match job {
                Job::Change { change, settle } => {
                    changes.push_back(change);
                    flush |= settle;
                }
                Job::Flush(done) => flushes.push(done),
                Job::Stop => stop = true,
            }
        }
        flush |= stop || !flushes.is_empty();
        let (dones, result) = commit(database, changes, flush);
        unflushed = match (&result, flush) {
            (Ok(()), true) => None,
            // What failed is tried again when its time comes, not at once and for ever.
            (Err(_), true) => unflushed.map(|_| Instant::now()),
            (_, false) => unflushed.or_else(|| Some(Instant::now())),
        };
        for done in dones.into_iter().chain(flushes) {
            done(result.clone());
        }
        if stop {
            return;
        }
    }
}

/// Every change is asked, also when nothing can be committed.
fn commit(
    database: &Database,
    mut changes: VecDeque<Change>,
    flush: bool,
) -> (Vec<Done>, Result<(), Failure>) {
    let (mut dones, mut full) = (Vec::with_capacity(changes.len()), None);
    let result = database.with(|database| {
        let mut txn = database.begin_write().map_err(broken)?;
        let durability = if flush { Durability::Immediate } else { Durability::None };
        txn.set_durability(durability).map_err(broken)?;
        {
            let mut tables = Tables::open(&txn)?;
            while let Some(change) = changes.pop_front() {
                let (done, was_full) = change(Ok(&mut tables));
                dones.push(done);
                full = full.take().or(was_full);
            }
        }
        txn.commit().map_err(broken)
    });
    if let Err(failure) = &result {
        database.suspect();
        for change in changes {
            let refused = AssertUnwindSafe(|| change(Err(failure.clone())));
            dones.extend(catch_unwind(refused).map(|(done, _)| done));
        }
    }
    // After the first failure redb says no more than that there was one.
    (dones, result.map_err(|failure| full.unwrap_or(failure)))
}
