//! What the JavaScript thread and the runtime share: the queue back, the inbox forth, the calls that can be cancelled.

use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::abortable};
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{BoxFuture, Failure};
use tokio::{
    runtime::Handle,
    sync::{
        Notify,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    task::AbortHandle,
};

use crate::{
    bridge::release,
    connection::Held,
    framed::{self, Frames},
    queue::{Aux, Event, Queue},
    recv::RecvHalf,
    request::{self, Responder},
    send::SendHalf,
    spin::Spin,
    table::Object,
};

/// So many calls and loops under way, or fewer, are a conversation; more are a load.
const CONVERSATION: usize = 3;

/// Work for the runtime thread. One message can carry the work of a whole tick.
pub enum Job {
    /// Starts a task that answers with an event.
    Task { id: u32, task: BoxFuture<'static, Event> },
    /// Moves queued bytes into QUIC.
    Pump(Arc<SendHalf>),
    /// Sends a request and waits for its answer.
    Request { id: u32, connection: Arc<Held>, max: usize, body: Bytes },
    /// Gives objects up.
    Release(Vec<Object>),
    /// Sends a datagram; one that is lost here is lost like any other.
    Datagram(Arc<Held>, Bytes),
    /// Tells JavaScript something once what runs now is done.
    Tell(Event),
    /// Polls what began on the JavaScript thread.
    Poll(Arc<Begun>),
    /// Makes a call in frames.
    Call { id: u32, call: framed::Call },
    /// Opens a call in frames.
    Open { id: u32, open: framed::Open },
    /// Answers a call in frames.
    Answer { waiting: Box<framed::Waiting>, param: u32, body: Bytes },
    /// Looks for frames that JavaScript waits for.
    Frames(Arc<Frames>),
    /// Answers a request.
    Respond(Responder, Bytes),
    /// Reads a stream to its end.
    ReadToEnd { id: u32, recv: Arc<RecvHalf>, max: usize },
    /// Ends a call or subscription without a word; an OPEN that waits ends with END.
    Cancel(u32),
    /// All of these, in order.
    Batch(Vec<Job>),
    /// The environment is gone.
    Stop,
}

/// Shared by everything that belongs to one JavaScript environment.
pub struct Core {
    /// Events to JavaScript.
    pub queue: Queue,
    /// Rings after all that is ready on the runtime has run, arrived packets too; then JavaScript is woken once for all.
    bell: Notify,
    inbox: UnboundedSender<Job>,
    calls: Mutex<HashMap<u32, Running>>,
    runtime: Handle,
    /// Whether the next message is likely to be near.
    pub spin: Arc<Spin>,
}

impl Core {
    /// Starts the inbox on the runtime.
    pub fn start(queue: Queue, runtime: &Handle) -> Arc<Self> {
        let (inbox, jobs) = mpsc::unbounded_channel();
        let core = Arc::new(Self {
            queue,
            bell: Notify::new(),
            inbox,
            calls: Mutex::default(),
            runtime: runtime.clone(),
            spin: Spin::new(),
        });
        let bell = runtime.spawn(ring(core.clone())).abort_handle();
        runtime.spawn(run(core.clone(), jobs, bell));
        core
    }

    /// Tells JavaScript something, from any thread. In a conversation it is woken at once. Under load each wake would
    /// take the CPU from the runtime, which has more to tell in a moment, so the bell follows what is ready now.
    pub fn push(&self, event: Event) {
        if !self.queue.push(event) {
            return;
        }
        if self.calls().len() <= CONVERSATION {
            self.queue.wake();
        } else {
            self.bell.notify_one();
        }
    }

    /// As [`Core::push`]; `more` says that whoever pushes has more to tell in a moment.
    pub fn push_in(&self, event: Event, more: bool) {
        if !more {
            self.push(event);
        } else if self.queue.push(event) {
            self.bell.notify_one();
        }
    }

    /// Hands work to the runtime thread, from any thread.
    pub fn send(&self, job: Job) {
        // Fails only after `Stop`, when nobody waits for anything.
        let _ = self.inbox.send(job);
    }

    /// Starts a call: `task` gives its result, a panic becomes `INTERNAL`.
    pub fn call(
        &self,
        id: u32,
        task: impl Future<Output = Result<Event, Failure>> + Send + 'static,
    ) {
        let task = async move { task.await.unwrap_or_else(|failure| Event::error(id, &failure)) };
        self.send(Job::Task { id, task: Box::pin(task) });
    }

    /// Starts a subscription: `task` pushes its items and says how it ends.
    pub fn subscribe(
        &self,
        id: u32,
        task: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) {
        let task = async move {
            match task.await {
                Ok(()) => Event::end(id),
                Err(failure) => Event::failed(id, &failure),
            }
        };
        self.send(Job::Task { id, task: Box::pin(task) });
    }

    /// Does the only work of a tick on this thread, if the runtime is not at that connection right now: one packet then
    /// leaves without waking anybody.
    pub fn run_inline(self: &Arc<Self>, job: Job) {
        let held = match &job {
            Job::Request { connection, .. } | Job::Datagram(connection, _) => connection,
            Job::Respond(responder, _) => responder.connection(),
            Job::Pump(send) => send.connection(),
            Job::ReadToEnd { recv, .. } => recv.connection(),
            Job::Call { call, .. } => &call.connection,
            Job::Open { open, .. } => &open.connection,
            Job::Answer { waiting, .. } => waiting.connection(),
            _ => return self.send(job),
        };
        let held = held.clone();
        let _guard = self.runtime.enter();
        let Some(_inline) = held.connection.inline() else { return self.send(job) };
        self.spin.extend();
        match job {
            Job::Request { id, connection, max, body } => {
                self.begin(id, Box::pin(answered(id, request::request(connection, max, body))));
            }
            Job::ReadToEnd { id, recv, max } => {
                self.begin(id, Box::pin(answered(id, recv.read_to_end(max))));
            }
            job => self.run(job),
        }
    }

    /// Starts on this thread, which is the runtime's or inline, what ends with one event.
    fn begin(self: &Arc<Self>, id: u32, task: BoxFuture<'static, Event>) {
        let begun = Arc::new(Begun { id, core: self.clone(), task: Mutex::new(Some(task)) });
        self.calls().insert(id, Running::Begun(begun.clone()));
        begun.poll();
    }

    /// Looks for the next message for a moment, if so little is under way that somebody is likely to wait for it; on the
    /// runtime only.
    pub fn look(&self) {
        if self.calls().len() <= CONVERSATION {
            self.spin.begin();
        }
    }

    /// Runs a synchronous function that needs the runtime around it.
    pub fn enter<T>(&self, run: impl FnOnce() -> T) -> T {
        let _guard = self.runtime.enter();
        run()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u32, Running>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns what answers `id` with one event, unless it is cancelled; runs on the runtime only.
    fn spawn(self: &Arc<Self>, id: u32, task: impl Future<Output = Event> + Send + 'static) {
        // The entry must be there before the task can end, so the lock spans both.
        let mut calls = self.calls();
        let task = tokio::spawn(self.clone().answer(id, task));
        calls.insert(id, Running::Task(task.abort_handle()));
    }

    /// As [`Core::spawn`], but what is cancelled answers too, with END: whoever cancels learns whether there was a result.
    fn spawn_heard(self: &Arc<Self>, id: u32, task: impl Future<Output = Event> + Send + 'static) {
        let (task, handle) = abortable(task);
        let task = task.map(move |event| event.unwrap_or_else(|_| Event::end(id)));
        let mut calls = self.calls();
        tokio::spawn(self.clone().answer(id, task));
        calls.insert(id, Running::Heard(handle));
    }

    async fn answer(self: Arc<Self>, id: u32, task: impl Future<Output = Event> + Send + 'static) {
        let event = AssertUnwindSafe(task).catch_unwind().await;
        self.calls().remove(&id);
        self.push(event.unwrap_or_else(|_| Event::error(id, &panicked())));
        self.look();
    }

    fn run(self: &Arc<Self>, job: Job) {
        match job {
            Job::Task { id, task } => {
                self.spawn(id, task);
                self.look();
            }
            Job::Pump(send) => send.pump(),
            Job::Request { id, connection, max, body } => {
                self.spawn(id, answered(id, request::request(connection, max, body)));
            }
            Job::Release(objects) => objects.into_iter().for_each(release),
            Job::Datagram(connection, data) => {
                // Closed meanwhile, or too large for a path that changed: nobody waits for a datagram.
                let _ = connection.quinn().send_datagram(data);
            }
            Job::Tell(event) => {
                self.push(event);
                self.look();
            }
            Job::ReadToEnd { id, recv, max } => self.spawn(id, answered(id, recv.read_to_end(max))),
            Job::Poll(begun) => {
                if begun.poll() {
                    self.look();
                }
            }
            Job::Respond(responder, body) => responder.respond(body),
            Job::Open { id, open } => match open.begin(id, self) {
                Ok(event) => self.push(event),
                Err(later) => self.spawn_heard(id, later),
            },
            // Begun here, so that streams are opened in the order of the calls.
            Job::Call { id, call } => self.begin(id, Box::pin(call.run(id, self.clone()))),
            Job::Answer { waiting, param, body } => waiting.answer(param, body),
            Job::Frames(frames) => {
                if frames.poll() {
                    self.look();
                }
            }
            Job::Cancel(id) => {
                let running = self.calls().remove(&id);
                if let Some(running) = running {
                    running.abort();
                }
            }
            Job::Batch(jobs) => jobs.into_iter().for_each(|job| self.run(job)),
            Job::Stop => {
                let calls = std::mem::take(&mut *self.calls());
                calls.into_values().for_each(Running::abort);
            }
        }
    }
}

/// What can be ended from outside.
enum Running {
    Task(AbortHandle),
    Heard(futures_util::future::AbortHandle),
    Begun(Arc<Begun>),
}

impl Running {
    fn abort(self) {
        match self {
            Self::Task(task) => task.abort(),
            Self::Heard(task) => task.abort(),
            Self::Begun(begun) => begun.abort(),
        }
    }
}

/// A request or a read that began on the JavaScript thread: polled there once, later by the inbox. A tokio task would wake the
/// runtime's thread just to be registered.
pub struct Begun {
    id: u32,
    core: Arc<Core>,
    task: Mutex<Option<BoxFuture<'static, Event>>>,
}

impl Begun {
    fn task(&self) -> MutexGuard<'_, Option<BoxFuture<'static, Event>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this poll ended it.
    fn poll(self: &Arc<Self>) -> bool {
        let waker = Waker::from(self.clone());
        let mut task = self.task();
        let Some(future) = task.as_mut() else { return false };
        let poll = AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
        let event = match std::panic::catch_unwind(poll) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(event)) => event,
            Err(_) => Event::error(self.id, &panicked()),
        };
        *task = None;
        drop(task);
        self.core.calls().remove(&self.id);
        self.core.push(event);
        true
    }

    fn abort(&self) {
        let task = self.task().take();
        drop(task);
    }
}

impl Wake for Begun {
    fn wake(self: Arc<Self>) {
        let core = self.core.clone();
        core.send(Job::Poll(self));
    }
}

async fn answered(id: u32, request: impl Future<Output = Result<Bytes, Failure>>) -> Event {
    match request.await {
        Ok(answer) => Event::ok(id, Aux::Value(0), answer),
        Err(failure) => Event::error(id, &failure),
    }
}

async fn ring(core: Arc<Core>) {
    loop {
        core.bell.notified().await;
        // Behind what is ready now and what the sockets have.
        tokio::task::yield_now().await;
        core.queue.wake();
    }
}

async fn run(core: Arc<Core>, mut jobs: UnboundedReceiver<Job>, bell: AbortHandle) {
    while let Some(job) = jobs.recv().await {
        let stop = matches!(job, Job::Stop);
        // A panic of one job must not stop the inbox of all.
        if std::panic::catch_unwind(AssertUnwindSafe(|| core.run(job))).is_err() {
            tracing::error!("a job of the inbox panicked");
        }
        if stop {
            break;
        }
    }
    bell.abort();
}

/// What a call reports whose task panicked.
pub fn panicked() -> Failure {
    Failure::new(ErrorCode::Internal, "a native task panicked")
}
