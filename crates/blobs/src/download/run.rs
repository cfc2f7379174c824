//! From what is here to all of it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    future::{AbortHandle, abortable},
    stream::FuturesUnordered,
};
use gaiwan_base::{ErrorCode, HashAndFormat};
use gaiwan_endpoint::{BoxFuture, Connection, Failure};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    crew::{Crew, Member},
    plan::{self, Task, What},
    sizes::Sizing,
    types::{DownloadEvent, DownloadOptions, Downloaded, TagAs},
    work::{Common, Done, Heard, add},
};
use crate::{
    getter::{Local, lacking, observe, verified_size},
    proto::ChunkRanges,
    store::Store,
    transfer::TransferStats,
};

/// How long a provider may take to tell what it has.
const ASK: Duration = Duration::from_secs(2);
/// How long one provider may be at a task before another that has nothing to do tries its luck with it.
const HEDGE: Duration = Duration::from_secs(5);

/// Gives providers to a download. When the last of these is dropped no more will come.
#[derive(Clone)]
pub struct Providers(UnboundedSender<Member>);

impl Providers {
    /// One more; `number` comes back in events.
    pub fn add(&self, number: u32, connection: Connection) {
        // It may be over already.
        let _ = self.0.send(Member {
            number,
            connection,
            has: None,
            moved: false,
            lacks: HashSet::new(),
        });
    }
}

/// A download that was not begun.
pub struct Download {
    common: Arc<Common>,
    providers: UnboundedReceiver<Member>,
    crew: Crew,
    running: FuturesUnordered<BoxFuture<'static, Step>>,
    /// Tasks that somebody is at, by their number.
    works: HashMap<u64, Work>,
    next_worker: u64,
    /// What nobody was asked for yet, or could tell, and who is asked now.
    sizing: Option<Sizing>,
    asking: FuturesUnordered<BoxFuture<'static, Result<u64, Sizing>>>,
    no_more: bool,
    seen: u32,
    last: Option<Failure>,
    stats: TransferStats,
}

/// What came of something that ran.
enum Step {
    /// It has told what it has.
    Joined(Member),
    /// A worker is done with a task.
    Worked(u64, Box<Done>),
    /// Another was quicker.
    GivenUp,
}

/// A task that somebody is at.
struct Work {
    task: Task,
    since: Instant,
    workers: Vec<Worker>,
}

struct Worker {
    id: u64,
    member: Member,
    abort: AbortHandle,
}

impl Download {
    /// Of `content` into `store`; `heard` must not wait.
    pub fn new(
        store: Store,
        content: HashAndFormat,
        options: DownloadOptions,
        heard: Heard,
    ) -> (Self, Providers) {
        let (sender, providers) = unbounded_channel();
        let download = Self {
            common: Arc::new(Common::new(store, content, options, heard)),
            providers,
            crew: Crew::default(),
            running: FuturesUnordered::new(),
            works: HashMap::new(),
            next_worker: 0,
            sizing: None,
            asking: FuturesUnordered::new(),
            no_more: false,
            seen: 0,
            last: None,
            stats: TransferStats::default(),
        };
        (download, Providers(sender))
    }

    /// Runs to the end. Dropping the future gives it up; what was verified stays in the store, held by nothing. Without a
    /// provider it fails with what the last one failed with, or `NO_PROVIDER`.
    pub async fn run(mut self) -> Result<Downloaded, Failure> {
        let start = Instant::now();
        let common = self.common.clone();
        let (store, content) = (common.store.clone(), common.content);
        let hold = store.hold(content);
        let here = common.local().await?;
        common.local_bytes.store(here.local_bytes, Relaxed);
        if plan::is_seq(content) && here.missing.is_some() {
            common.count().await?;
        }
        if !here.is_complete() {
            common.progress();
            if plan::is_seq(content) {
                self.seq(here).await?;
            } else {
                self.raw().await?;
            }
        }
        let tag = common.options.tag.clone();
        let tagged = move || match tag {
            TagAs::Auto => store.create_tag(content).map(drop),
            TagAs::Name(name) => store.set_tag(name, content),
            TagAs::Nothing => Ok(()),
        };
        blocking(tagged).await?;
        drop(hold);
        let size = common.bitfield().await?.size();
        let local_bytes = common.local_bytes.load(Relaxed);
        common.set_total(self.got().saturating_add(local_bytes));
        common.progress();
        let stats = TransferStats { elapsed: start.elapsed(), ..self.stats };
        Ok(Downloaded { size, local_bytes, stats })
    }

    /// A hash sequence, then its children.
    async fn seq(&mut self, here: Local) -> Result<(), Failure> {
        let (mut here, common) = (here, self.common.clone());
        if here.missing.is_none() {
            self.phase(vec![What::Root(ChunkRanges::all())]).await?;
            // What was here of the children is known only now.
            here = common.local().await?;
            let before = here.local_bytes.saturating_sub(self.got());
            common.local_bytes.store(before, Relaxed);
        }
        let count = common.count().await?;
        add(&common.told, here.whole_bytes);
        if common.options.sizes {
            let (store, root, bytes) =
                (common.store.clone(), common.content.hash, here.local_bytes);
            self.sizing = blocking(move || Sizing::new(&store, root, count, bytes)).await?;
            if let Some(total) = self.sizing.as_ref().and_then(Sizing::total) {
                self.sized(Ok(total));
            }
        }
        self.phase(plan::children(count, common.options.split)).await
    }

    /// The ranges that are wanted of one blob.
    async fn raw(&mut self) -> Result<(), Failure> {
        let common = self.common.clone();
        let (split, all) = (common.options.split, common.options.ranges.is_all());
        let mut size = common.bitfield().await?.validated_size();
        if split && size.is_none() {
            size = Some(self.ask_size().await?);
        }
        let shared = common.clone();
        let lacking = blocking(move || {
            Ok(lacking(&shared.store.bitfield(&shared.content.hash)?, &shared.options.ranges))
        });
        let lacking = lacking.await?;
        if let Some(size) = size.filter(|_| all) {
            common.set_total(size);
        }
        self.phase(plan::pieces(&lacking, size.unwrap_or(0), split && size.is_some())).await
    }

    /// The size, proven by the first provider that can: all are asked at once, for one may keep silent.
    async fn ask_size(&mut self) -> Result<u64, Failure> {
        let common = self.common.clone();
        let (hash, stall) = (common.content.hash, common.stall());
        let mut asked = FuturesUnordered::new();
        // Those without the last chunk may have others, and those that have not answered yet may do so later.
        let mut members = HashMap::new();
        let size = loop {
            if self.no_more && asked.is_empty() {
                return Err(self.give_up());
            }
            if asked.is_empty() {
                (common.heard)(DownloadEvent::Starved { seen: self.seen });
            }
            tokio::select! {
                Some((number, result)) = asked.next() => match result {
                    Ok(size) => break size,
                    Err(failure) => {
                        let failure: Failure = failure;
                        if failure.code == ErrorCode::BlobNotFound {
                            self.last = Some(failure);
                        } else if let Some(member) = members.remove(&number) {
                            self.failed(&member, failure);
                        }
                    }
                },
                member = self.providers.recv(), if !self.no_more => match member {
                    Some(member) => {
                        self.seen += 1;
                        let (number, connection) = (member.number, member.connection.clone());
                        members.insert(number, member);
                        asked.push(async move {
                            (number, verified_size(&connection, hash, stall).await)
                        });
                    }
                    None => self.no_more = true,
                },
            }
        };
        if common.options.max_bytes.is_some_and(|max| size > max) {
            let text = format!("the blob has {size} bytes, over the limit");
            return Err(Failure::new(ErrorCode::BlobTooLarge, text));
        }
        members.into_values().for_each(|member| self.join(member));
        Ok(size)
    }

    /// A provider that may work. Of a shared blob it is asked what it has first.
    fn join(&mut self, member: Member) {
        let common = &self.common;
        if !common.options.split || plan::is_seq(common.content) {
            self.crew.add(member);
            return;
        }
        let (hash, mut member) = (common.content.hash, member);
        self.running.push(Box::pin(async move {
            let ask = async {
                let mut seen = observe(&member.connection, hash).await.ok()?;
                seen.next().await.ok().flatten()
            };
            // Who does not tell is asked for anything.
            let has = tokio::time::timeout(ASK, ask).await.ok().flatten();
            member.has = has.filter(|has| !has.is_empty());
            Step::Joined(member)
        }));
    }

    /// Does all of `tasks`, by whoever is there.
    async fn phase(&mut self, tasks: Vec<What>) -> Result<(), Failure> {
        tasks.into_iter().for_each(|what| self.crew.add_task(what));
        loop {
            self.ask_sizes();
            while let Some((member, task)) = self.crew.pair() {
                self.start(member, task);
            }
            if self.crew.is_done() && self.works.is_empty() {
                return Ok(());
            }
            if self.no_more && self.running.is_empty() {
                // Whoever is free can do nothing of what is left.
                return Err(self.give_up());
            }
            if self.running.is_empty() {
                (self.common.heard)(DownloadEvent::Starved { seen: self.seen });
            }
            let slow = self.slow();
            let hedge = slow.map(|(_, at)| tokio::time::sleep_until(at.into()));
            tokio::select! {
                Some(step) = self.running.next() => match step {
                    Step::Joined(member) => self.crew.add(member),
                    Step::Worked(worker, done) => self.done(worker, *done)?,
                    Step::GivenUp => {}
                },
                Some(result) = self.asking.next() => self.sized(result),
                member = self.providers.recv(), if !self.no_more => match member {
                    Some(member) => {
                        self.seen += 1;
                        self.join(member);
                    }
                    None => self.no_more = true,
                },
                () = async { if let Some(hedge) = hedge { hedge.await } }, if slow.is_some() => {
                    if let Some((id, _)) = slow
                        && let Some(work) = self.works.get(&id)
                        && let Some(member) = self.crew.second(&work.task)
                    {
                        let task = work.task.clone();
                        self.start(member, task);
                    }
                }
            }
        }
    }

    /// Has somebody tell the sizes of what is to come, beside whatever else they do. Nothing waits for that.
    fn ask_sizes(&mut self) {
        let Some(sizing) = &self.sizing else { return };
        let Some(member) = self.crew.free(|member| sizing.may_ask(member)).cloned() else { return };
        if let Some(sizing) = self.sizing.take() {
            let stall = self.common.stall();
            self.asking.push(Box::pin(sizing.ask(member, stall)));
        }
    }

    fn sized(&mut self, result: Result<u64, Sizing>) {
        match result {
            Ok(total) => {
                self.sizing = None;
                self.common.set_total(total);
                self.common.progress();
            }
            Err(sizing) => self.sizing = Some(sizing),
        }
    }

    fn start(&mut self, member: Member, task: Task) {
        let (id, common) = (self.next_worker, self.common.clone());
        self.next_worker += 1;
        let (work, abort) = abortable(common.work(member.clone(), task.clone()));
        let new = || Work { task: task.clone(), since: Instant::now(), workers: Vec::new() };
        let works = self.works.entry(task.id).or_insert_with(new);
        works.workers.push(Worker { id, member, abort });
        self.running.push(Box::pin(async move {
            work.await.map_or(Step::GivenUp, |done| Step::Worked(id, Box::new(done)))
        }));
    }

    /// The task that one provider has been at for the longest time, and when another may try it, if there is one with
    /// nothing else to do: a provider that is slow, but not slow enough to be left, must not hold up the end.
    fn slow(&self) -> Option<(u64, Instant)> {
        if !self.crew.is_done() {
            return None;
        }
        let alone = self.works.iter().filter(|(_, work)| work.workers.len() == 1);
        let helped = alone.filter(|(_, work)| self.crew.can(&work.task));
        helped.map(|(id, work)| (*id, work.since + HEDGE)).min_by_key(|(_, at)| *at)
    }

    fn done(&mut self, worker: u64, done: Done) -> Result<(), Failure> {
        let Done { mut member, task, stats, result, is_here, is_final } = done;
        self.stats.add(&stats);
        member.moved |= stats.payload_bytes_read > 0;
        let Some(mut work) = self.works.remove(&task.id) else { return Ok(()) };
        work.workers.retain(|other| other.id != worker);
        if is_here {
            for slower in work.workers.drain(..) {
                slower.abort.abort();
                self.crew.add(slower.member);
            }
        }
        match result {
            Ok(()) => self.crew.add(member),
            Err(failure) => match failure.code {
                // Only the list of the children is read here. The next download gets it anew.
                ErrorCode::BlobCorrupt => {
                    self.common.store.suspect(&self.common.content.hash);
                    return Err(failure);
                }
                // Ours, and no provider can help.
                ErrorCode::StoreFailed
                | ErrorCode::StoreBusy
                | ErrorCode::StoreFull
                | ErrorCode::StoreClosed
                | ErrorCode::NotAllowed
                | ErrorCode::Internal => return Err(failure),
                _ if is_final => return Err(failure),
                // It has other parts, perhaps.
                ErrorCode::BlobNotFound => {
                    member.lacks.insert(task.id);
                    self.last = Some(failure);
                    self.crew.add(member);
                }
                _ => self.failed(&member, failure),
            },
        }
        if !work.workers.is_empty() {
            self.works.insert(task.id, work);
        } else if !is_here {
            self.crew.give_back(task);
        }
        Ok(())
    }

    fn failed(&mut self, member: &Member, failure: Failure) {
        let (provider, moved) = (member.number, member.moved);
        let event = DownloadEvent::Failed { provider, moved, failure: failure.clone() };
        (self.common.heard)(event);
        self.last = Some(failure);
    }

    /// No provider is left.
    fn give_up(&mut self) -> Failure {
        let none = || Failure::new(ErrorCode::NoProvider, "there is no provider to ask");
        self.last.take().unwrap_or_else(none)
    }

    fn got(&self) -> u64 {
        self.common.received.load(Relaxed)
    }
}

/// Runs what may wait for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| {
        Err(Failure::new(ErrorCode::Internal, format!("a step of a download failed: {error}")))
    })
}
