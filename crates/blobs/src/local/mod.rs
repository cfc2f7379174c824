//! What is done with a store on this machine: folders in and out, collections, verified streams from anywhere.
//!
//! As the store it blocks, and knows no endpoint. Where to look:
//!
//! | Module | Noun |
//! |---|---|
//! | `spans` | [`byte_spans`], what is here in bytes; the chunks of bytes that are asked for |
//! | `hash` | [`hash_file`], without a store |
//! | `collection` | [`load_collection`] and [`store_collection`], names and their blobs |
//! | `folder` | [`Folder`], the files below one directory, and their import |
//! | `unpack` | [`unpack`], a collection as files below one directory |
//! | `guard` | the way to a file below a directory, without following a link |
//! | `bao` | [`BaoImport`] and [`BaoExport`], verified streams as a provider sends them |

mod bao;
mod collection;
mod folder;
mod guard;
mod hash;
mod spans;
mod unpack;

use gaiwan_endpoint::Failure;

pub use self::{
    bao::{BaoExport, BaoImport},
    collection::{Entry, load_collection, sized_entries, store_collection},
    folder::{Folder, Found},
    hash::hash_file,
    spans::{byte_spans, chunks_of_spans},
    unpack::unpack,
};
use crate::store::Phase;

/// As [`crate::store::Progress`], over many files: with the name of the one at hand. Called from several threads.
pub type NamedProgress<'a> = &'a (dyn Fn(Phase, u64, &str) -> Result<(), Failure> + Sync);

/// Threads that work on files of one folder: more than CPUs, for some wait for the disk.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(4, |cpus| (2 * cpus.get()).clamp(2, 8))
}

/// Runs `work` for each number below `count`, on several threads. The first failure ends it; what runs meanwhile is
/// finished. Each thread ends with `last`, also after a failure elsewhere.
pub(crate) fn for_each<W>(
    count: usize,
    begin: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, usize) -> Result<(), Failure> + Sync,
    last: impl Fn(W) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    };
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failed = Mutex::new(None);
    let run = || {
        let mut state = begin();
        let mut result = Ok(());
        while result.is_ok() && !over.load(Relaxed) {
            let n = next.fetch_add(1, Relaxed);
            if n >= count {
                break;
            }
            result = work(&mut state, n);
        }
        if let Err(failure) = result.and(last(state)) {
            over.store(true, Relaxed);
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers().min(count) {
            // One that does not start leaves its share to the others.
            let _ =
                std::thread::Builder::new().name("gaiwan-files".into()).spawn_scoped(scope, run);
        }
        run();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
