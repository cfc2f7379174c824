//! The runtime under quinn: tokio, with connection drivers that another thread may poll in passing.
//!
//! quinn gives every connection a driver task that sends its packets. A thread that has just written a few bytes would
//! wake the runtime's thread, and wait for that wake, only to have one packet sent. [`Driver::inline`] lets it poll the
//! driver itself when nobody else is at it: the packet leaves from the calling thread and two thread switches are saved
//! (`docs/design/performance.md`, "One request at a time").

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering, fence},
    },
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime};
use tokio::time::{Sleep, sleep_until};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

thread_local! {
    /// The driver that quinn spawned last on this thread; [`Started::new`] takes it.
    static LAST: RefCell<Option<Arc<Driver>>> = const { RefCell::new(None) };
    /// The driver whose wakes this thread will answer itself, by address; null for none.
    static INLINE: Cell<*const Driver> = const { Cell::new(std::ptr::null()) };
    /// This thread polls the driver of an endpoint.
    static ENDPOINT: Cell<bool> = const { Cell::new(false) };
}

/// Must be called right after quinn made an endpoint, on the same thread.
pub(crate) fn mark_endpoint() {
    if let Some(driver) = LAST.take() {
        driver.is_endpoint.store(true, Ordering::Relaxed);
    }
}

/// Whether what this thread sends is an answer of quinn's endpoint, and of no connection.
pub(crate) fn is_endpoint() -> bool {
    ENDPOINT.get()
}

/// A handshake under way, and the driver that quinn spawned for it.
pub(crate) struct Started {
    pub(crate) connecting: quinn::Connecting,
    pub(crate) driver: Arc<Driver>,
}

impl Started {
    /// Must be called right after quinn made `connecting`, on the same thread.
    pub(crate) fn new(connecting: quinn::Connecting) -> Self {
        Self { connecting, driver: LAST.take().unwrap_or_default() }
    }
}

/// One driver task of quinn.
#[derive(Default)]
pub(crate) struct Driver {
    task: Mutex<Option<Task>>,
    /// Wakes the tokio task that polls it.
    waker: Mutex<Option<Waker>>,
    /// A poll of the runtime found the task taken.
    missed: AtomicBool,
    /// A wake came in while this driver was inline.
    woken: AtomicBool,
    /// It is that of an endpoint, else that of a connection.
    is_endpoint: AtomicBool,
}

impl Driver {
    /// Lets this thread send for the connection until the answer is dropped; `None` if the runtime is at it right now.
    pub(crate) fn inline(self: &Arc<Self>) -> Option<Inline<'_>> {
        let task = self.try_task()?;
        self.woken.store(false, Ordering::Relaxed);
        let before = INLINE.replace(Arc::as_ptr(self));
        Some(Inline { driver: self, task: Some(task), before })
    }

    fn poll(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        let task = self.try_task().or_else(|| {
            // Told before the second look: whoever holds the task sees it after letting go. The fences on both sides
            // make that so; release and acquire alone let each side miss the other (a store and then a load).
            self.missed.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.try_task()
        });
        match task {
            Some(mut task) => self.poll_task(&mut task),
            None => Poll::Pending,
        }
    }

    fn try_task(&self) -> Option<MutexGuard<'_, Option<Task>>> {
        match self.task.try_lock() {
            Ok(task) => Some(task),
            // A driver that panicked is gone, and its connection with it; there is nothing left to poll.
            Err(TryLockError::Poisoned(error)) => {
                let mut task = error.into_inner();
                *task = None;
                self.task.clear_poison();
                Some(task)
            }
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn poll_task(self: &Arc<Self>, task: &mut Option<Task>) -> Poll<()> {
        let waker = Waker::from(self.clone());
        ENDPOINT.set(self.is_endpoint.load(Ordering::Relaxed));
        let polled = match task {
            Some(task) => task.as_mut().poll(&mut Context::from_waker(&waker)),
            None => Poll::Ready(()),
        };
        ENDPOINT.set(false);
        if polled.is_ready() {
            // Breaks the circle of task, connection and waker.
            *task = None;
        }
        polled
    }

    fn wake_runtime(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Wake for Driver {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if INLINE.get() == Arc::as_ptr(self) {
            self.woken.store(true, Ordering::Relaxed);
        } else {
            self.wake_runtime();
        }
    }
}

/// While it lives, this thread keeps the wakes of one driver back; dropping it sends what there is to send. Inside a
/// tokio runtime only, and nothing may wait meanwhile.
pub struct Inline<'a> {
    driver: &'a Arc<Driver>,
    /// `None` only while it is dropped.
    task: Option<MutexGuard<'a, Option<Task>>>,
    before: *const Driver,
}

impl Drop for Inline<'_> {
    fn drop(&mut self) {
        let driver = self.driver;
        // Also if the driver panics: another one may come to lie at this address.
        let outside = Outside(self.before);
        if driver.woken.swap(false, Ordering::Relaxed)
            && let Some(task) = &mut self.task
        {
            // Pending or done: what is left is the runtime's.
            let _ = driver.poll_task(task);
        }
        drop(outside);
        self.task = None;
        fence(Ordering::SeqCst);
        // What the poll itself asked for, and what the runtime missed meanwhile.
        if driver.woken.swap(false, Ordering::Relaxed) | driver.missed.swap(false, Ordering::AcqRel)
        {
            driver.wake_runtime();
        }
    }
}

/// Sets [`INLINE`] back to what it was.
struct Outside(*const Driver);

impl Drop for Outside {
    fn drop(&mut self) {
        INLINE.set(self.0);
    }
}

/// tokio, as quinn's runtime.
#[derive(Debug)]
pub(crate) struct TokioRuntime;

impl Runtime for TokioRuntime {
    fn new_timer(&self, deadline: Instant) -> Pin<Box<dyn AsyncTimer>> {
        Box::pin(LazyTimer { sleep: Box::pin(sleep_until(deadline.into())), deadline })
    }

    fn spawn(&self, task: Task) {
        let driver = Arc::new(Driver { task: Mutex::new(Some(task)), ..Driver::default() });
        LAST.set(Some(driver.clone()));
        tokio::spawn(std::future::poll_fn(move |cx| driver.poll(cx)));
    }

    fn wrap_udp_socket(&self, _socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "sockets come from UdpSockets"))
    }
}

/// A timer that moves its alarm only forward: quinn sets a new deadline with every packet, nearly always a later one,
/// and telling tokio each time costs a lock and, from another thread, a wake.
#[derive(Debug)]
struct LazyTimer {
    /// Rings at `deadline` or before.
    sleep: Pin<Box<Sleep>>,
    deadline: Instant,
}

impl AsyncTimer for LazyTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.sleep.deadline().into_std() || self.sleep.is_elapsed() {
            self.sleep.as_mut().reset(deadline.into());
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            std::task::ready!(Future::poll(self.sleep.as_mut(), cx));
            if self.deadline <= Instant::now() {
                return Poll::Ready(());
            }
            let deadline = self.deadline.into();
            self.sleep.as_mut().reset(deadline);
        }
    }
}
