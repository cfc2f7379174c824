//! One task with one provider.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use gaiwan_base::{ErrorCode, HashAndFormat};
use gaiwan_endpoint::Failure;
use tokio::sync::Notify;

use super::{
    crew::Member,
    plan::{self, Task, What},
    run::blocking,
    types::{DownloadEvent, DownloadOptions},
};
use crate::{
    getter::{GetOptions, Local, get, local, verified_size},
    proto::{Bitfield, GetRequest, Request, hash_seq_len},
    store::Store,
    transfer::{Limits, Received, TransferStats},
};

/// A hash sequence of at most so many bytes is fetched: a million hashes.
const MAX_ROOT_BYTES: u64 = 32 << 20;

pub(super) type Heard = Arc<dyn Fn(DownloadEvent) + Send + Sync>;

/// What all tasks of a download share.
pub(super) struct Common {
    pub(super) store: Store,
    pub(super) content: HashAndFormat,
    pub(super) options: DownloadOptions,
    pub(super) heard: Heard,
    /// Verified bytes that came in.
    pub(super) received: AtomicU64,
    /// Sizes of the children that are here whole, or on their way as they are told.
    pub(super) told: AtomicU64,
    /// Bytes that were here before, and of how many; set before the tasks that tell of them.
    pub(super) local_bytes: AtomicU64,
    total: AtomicU64,
}

/// What became of a task.
pub(super) struct Done {
    pub(super) member: Member,
    pub(super) task: Task,
    pub(super) stats: TransferStats,
    pub(super) result: Result<(), Failure>,
    /// Nothing of the task is lacking, whatever went wrong.
    pub(super) is_here: bool,
    /// No other provider can help.
    pub(super) is_final: bool,
}

impl Common {
    pub(super) fn new(
        store: Store,
        content: HashAndFormat,
        options: DownloadOptions,
        heard: Heard,
    ) -> Self {
        Self {
            store,
            content,
            options,
            heard,
            received: AtomicU64::new(0),
            told: AtomicU64::new(0),
            local_bytes: AtomicU64::new(0),
            total: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn stall(&self) -> Duration {
        self.options.stall
    }

    pub(super) fn set_total(&self, total: u64) {
        self.total.store(total, Relaxed);
    }

    /// Tells how far it is.
    pub(super) fn progress(&self) {
        let bytes = self.local_bytes.load(Relaxed).saturating_add(self.received.load(Relaxed));
        let total = Some(self.total.load(Relaxed)).filter(|total| *total != u64::MAX);
        // Two may have brought the same.
        let bytes = bytes.min(total.unwrap_or(u64::MAX));
        (self.heard)(DownloadEvent::Progress { bytes, total });
    }

    /// What is here of all that is wanted.
    pub(super) async fn local(self: &Arc<Self>) -> Result<Local, Failure> {
        let common = self.clone();
        let look = move || {
            let look = || local(&common.store, common.content, &common.options.ranges);
            match look() {
                // The list of the children is damaged: what is bad of it is given up, and comes again.
                Err(failure) if failure.code == ErrorCode::BlobCorrupt => {
                    common.store.mend(&common.content.hash)?;
                    look()
                }
                result => result,
            }
        };
        blocking(look).await
    }

    /// What is here of the blob itself.
    pub(super) async fn bitfield(self: &Arc<Self>) -> Result<Bitfield, Failure> {
        let common = self.clone();
        blocking(move || common.store.bitfield(&common.content.hash)).await
    }

    /// How many children there are, of a root that is here.
    pub(super) async fn count(self: &Arc<Self>) -> Result<u64, Failure> {
        hash_seq_len(self.bitfield().await?.size()).ok_or_else(|| {
            let text = "the blob is no hash sequence: its size is no multiple of 32";
            Failure::new(ErrorCode::ProtocolViolation, text)
        })
    }

    fn is_seq(&self) -> bool {
        plan::is_seq(self.content)
    }

    /// Lets one provider do one task.
    pub(super) async fn work(self: Arc<Self>, member: Member, task: Task) -> Done {
        let mut stats = TransferStats::default();
        let result = self.fetch(&member, &task, &mut stats).await;
        let (mut is_here, mut is_final) = (result.is_ok(), false);
        let result = match result {
            Ok(()) => Ok(()),
            Err(failure) if failure.code == ErrorCode::BlobTooLarge => {
                let (failure, proven) = self.too_large(&member, &task, failure).await;
                is_final = proven;
                Err(failure)
            }
            Err(failure) => {
                // It may have failed after the last byte.
                let lacking = self.lacking(&task).await;
                is_here = matches!(lacking, Ok(None));
                Err(failure)
            }
        };
        if is_here && matches!(task.what, What::Root(_)) && !self.is_seq() {
            self.tell_root().await;
        }
        Done { member, task, stats, result, is_here, is_final }
    }

    async fn lacking(self: &Arc<Self>, task: &Task) -> Result<Option<(GetRequest, bool)>, Failure> {
        let (common, task) = (self.clone(), task.clone());
        blocking(move || task.request(&common.store, common.content.hash)).await
    }

    /// Asks until nothing of the task is lacking: what is scattered too much for one request takes several.
    async fn fetch(
        self: &Arc<Self>,
        member: &Member,
        task: &Task,
        stats: &mut TransferStats,
    ) -> Result<(), Failure> {
        let mut before = None;
        loop {
            let Some((request, is_cut)) = self.lacking(task).await? else { return Ok(()) };
            if before.as_ref() == Some(&request) {
                let text = "what was fetched did not stay in the store";
                return Err(Failure::new(ErrorCode::StoreFailed, text));
            }
            let asked = Request::Get(request.clone());
            self.ask(member, task, &asked, stats).await?;
            if !is_cut {
                return Ok(());
            }
            before = Some(request);
        }
    }

    async fn ask(
        &self,
        member: &Member,
        task: &Task,
        request: &Request,
        stats: &mut TransferStats,
    ) -> Result<(), Failure> {
        let max = self.options.max_bytes;
        let limits = match task.what {
            What::Root(_) => {
                Limits { max_bytes: max, max_root_bytes: self.is_seq().then_some(MAX_ROOT_BYTES) }
            }
            What::Children(_) => Limits {
                max_bytes: max.map(|max| max.saturating_sub(self.told.load(Relaxed))),
                max_root_bytes: None,
            },
        };
        let mut claim = Claim { told: &self.told, open: 0 };
        let over = Notify::new();
        let mut on_event = |event| {
            if self.hear(task, event, &mut claim) {
                over.notify_one();
            }
        };
        let options = GetOptions { stall: Some(self.stall()), limits };
        let get = get(&member.connection, &self.store, request, options, &mut on_event);
        let (moved, result) = tokio::select! {
            biased;
            moved = get => moved,
            () = over.notified() => {
                let text = "the blobs have more bytes together than the limit";
                (TransferStats::default(), Err(Failure::new(ErrorCode::BlobTooLarge, text)))
            }
        };
        stats.add(&moved);
        result
    }

    /// Answers whether it is too much now.
    fn hear(&self, task: &Task, event: Received, claim: &mut Claim<'_>) -> bool {
        let mut is_over = false;
        match event {
            Received::Size { index, hash, size } => {
                if matches!(task.what, What::Children(_)) {
                    let told = claim.begin(size);
                    is_over = self.options.max_bytes.is_some_and(|max| told > max);
                } else if !self.is_seq() && self.options.ranges.is_all() {
                    self.set_total(size);
                }
                (self.heard)(DownloadEvent::Size { index, hash, size });
            }
            Received::Bytes(count) => {
                self.received.fetch_add(count, Relaxed);
                self.progress();
            }
            Received::Done { index, hash } => {
                claim.keep();
                if index > 0 || self.is_seq() {
                    (self.heard)(DownloadEvent::BlobDone { index, hash });
                }
            }
        }
        is_over
    }

    /// A provider told of more than is wanted. Of one blob it must prove that, or it is a liar and others are asked.
    async fn too_large(&self, member: &Member, task: &Task, failure: Failure) -> (Failure, bool) {
        let What::Root(_) = task.what else { return (failure, false) };
        let max = self.options.max_bytes.unwrap_or(u64::MAX);
        let max = if self.is_seq() { max.min(MAX_ROOT_BYTES) } else { max };
        match verified_size(&member.connection, self.content.hash, self.stall()).await {
            Ok(size) if size > max => (failure, true),
            Ok(_) => {
                let text = "the provider told a size that it can't prove";
                (Failure::new(ErrorCode::ProtocolViolation, text), false)
            }
            Err(failure) => (failure, false),
        }
    }

    async fn tell_root(self: &Arc<Self>) {
        let hash = self.content.hash;
        if self.bitfield().await.is_ok_and(|field| field.is_complete()) {
            (self.heard)(DownloadEvent::BlobDone { index: 0, hash });
        }
    }
}

/// The size of the blob that is on its way; taken back unless all of the blob comes.
struct Claim<'a> {
    told: &'a AtomicU64,
    open: u64,
}

impl Claim<'_> {
    /// All that is told, this one included.
    fn begin(&mut self, size: u64) -> u64 {
        self.open = size;
        add(self.told, size).saturating_add(size)
    }

    fn keep(&mut self) {
        self.open = 0;
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let sub = |told: u64| Some(told.saturating_sub(self.open));
        let _ = self.told.fetch_update(Relaxed, Relaxed, sub);
    }
}

/// Adds to what never wraps; what it was before.
pub(super) fn add(sum: &AtomicU64, more: u64) -> u64 {
    let add = |sum: u64| Some(sum.saturating_add(more));
    sum.fetch_update(Relaxed, Relaxed, add).unwrap_or(u64::MAX)
}
