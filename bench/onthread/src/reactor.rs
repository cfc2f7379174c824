//! Called by libuv, calls JavaScript: the driver's place in Node's loop.

use std::{
    cell::{Cell, RefCell},
    ffi::c_int,
    rc::{Rc, Weak},
    time::{Duration, Instant},
};

use crate::{
    Failure,
    driver::Driver,
    js::Callback,
    records::Records,
    uv::{Idle, Loop, Poll, READABLE, Timer, WRITABLE},
};

/// A yield that takes longer let somebody else run: the CPU is wanted.
const CROWDED: Duration = Duration::from_micros(50);
/// How long a thread then sleeps as usual. One that wakes from sleep is let on a CPU sooner than one that spins.
const CALM_DOWN: Duration = Duration::from_millis(20);

/// How a thread that has nothing to do looks for the next packet before it sleeps.
#[derive(Clone, Copy)]
pub struct Look {
    /// How long, from the last message on; zero: not at all.
    pub time: Duration,
    /// In one go, by asking the socket; else once with each turn of the loop, by its poller.
    pub direct: bool,
}

/// A driver and its watchers.
pub struct Reactor {
    /// Never borrowed while JavaScript runs: it calls back into us.
    driver: RefCell<Driver>,
    callback: Callback,
    watchers: RefCell<Option<Watchers>>,
    look: Look,
    /// When the thread may sleep again, if it is looking.
    looking: Cell<Option<Instant>>,
    /// Until when it does not look, for others want the CPU.
    crowded: Cell<Option<Instant>>,
    /// When the timer runs out.
    armed: Cell<Option<Instant>>,
    /// Whether the poll watches for room to write, too.
    writing: Cell<bool>,
}

/// Dropped to let the loop end.
struct Watchers {
    poll: Poll,
    timer: Timer,
    idle: Idle,
}

impl Reactor {
    /// Starts to watch.
    pub fn start(
        driver: Driver,
        callback: Callback,
        event_loop: Loop,
        look: Look,
    ) -> Result<Rc<Self>, Failure> {
        let fd = driver.socket().fd();
        let reactor = Rc::new(Self {
            driver: RefCell::new(driver),
            callback,
            watchers: RefCell::new(None),
            look,
            looking: Cell::new(None),
            crowded: Cell::new(None),
            armed: Cell::new(None),
            writing: Cell::new(false),
        });
        let poll = Poll::new(event_loop, fd, task(&reactor, Self::ready))?;
        let timer = Timer::new(event_loop, task(&reactor, |it, _| it.expire()))?;
        let idle = Idle::new(event_loop, task(&reactor, |it, _| it.look_round()))?;
        poll.watch(READABLE)?;
        *reactor.watchers.borrow_mut() = Some(Watchers { poll, timer, idle });
        Ok(reactor)
    }

    /// Lets `step` use the driver; what it makes due leaves with the next `flush`.
    pub fn with<T>(&self, step: impl FnOnce(&mut Driver) -> T) -> T {
        step(&mut self.driver.borrow_mut())
    }

    /// Sends what is due and sees to it that the rest is not forgotten.
    pub fn flush(&self) -> Result<(), Failure> {
        let (more, deadline) = self.with(|driver| (driver.flush(), driver.deadline()));
        let watchers = self.watchers.borrow();
        let Some(Watchers { poll, timer, .. }) = &*watchers else { return Ok(()) };
        if self.writing.replace(more) != more {
            poll.watch(if more { READABLE | WRITABLE } else { READABLE })?;
        }
        // A deadline moves on with every packet. The timer is left as it is and looks again when it runs out.
        if let Some(deadline) = deadline
            && self.armed.get().is_none_or(|armed| deadline < armed)
        {
            self.armed.set(Some(deadline));
            timer.start(deadline.saturating_duration_since(Instant::now()))?;
        }
        Ok(())
    }

    /// Says goodbye and stops watching, so that the loop may end.
    pub fn close(&self) -> Result<(), Failure> {
        self.with(Driver::close);
        self.flush()?;
        *self.watchers.borrow_mut() = None;
        Ok(())
    }

    fn ready(&self, events: c_int) -> Result<(), Failure> {
        if events & READABLE != 0 {
            self.receive()?;
        }
        self.flush()
    }

    /// One batch in, one call out; whether there was a batch.
    fn receive(&self) -> Result<bool, Failure> {
        let mut records = Records::default();
        let any = self.with(|driver| driver.receive(&mut records))?;
        self.deliver(&records)?;
        Ok(any)
    }

    fn expire(&self) -> Result<(), Failure> {
        self.armed.set(None);
        let mut records = Records::default();
        self.with(|driver| driver.expire(&mut records));
        self.deliver(&records)?;
        self.flush()
    }

    fn deliver(&self, records: &Records) -> Result<(), Failure> {
        if records.bytes().is_empty() {
            return Ok(());
        }
        self.callback.call(records.bytes())?;
        // A message passed: the next one is likely to be near.
        let now = Instant::now();
        if self.look.time.is_zero() || self.crowded.get().is_some_and(|until| now < until) {
            return Ok(());
        }
        let fresh = self.looking.replace(Some(now + self.look.time)).is_none();
        if fresh && let Some(Watchers { idle, .. }) = &*self.watchers.borrow() {
            idle.start()?;
        }
        Ok(())
    }

    /// The loop came round while the thread is looking.
    fn look_round(&self) -> Result<(), Failure> {
        loop {
            let before = Instant::now();
            if self.looking.get().is_none_or(|until| before >= until) {
                break;
            }
            // Other threads first: the peer may be one of them.
            std::thread::yield_now();
            let now = Instant::now();
            if now - before > CROWDED {
                self.crowded.set(Some(now + CALM_DOWN));
                break;
            }
            if !self.look.direct {
                return Ok(());
            }
            if self.receive()? {
                return self.flush();
            }
        }
        self.looking.set(None);
        if let Some(Watchers { idle, .. }) = &*self.watchers.borrow() {
            idle.stop()?;
        }
        Ok(())
    }
}

/// A watcher's task. Nobody is there to hear of a failure, so it ends the process as a panic: this is an experiment.
fn task(
    reactor: &Rc<Reactor>,
    step: impl Fn(&Reactor, c_int) -> Result<(), Failure> + 'static,
) -> Box<dyn Fn(c_int)> {
    let reactor: Weak<Reactor> = Rc::downgrade(reactor);
    Box::new(move |events| {
        if let Some(reactor) = reactor.upgrade() {
            step(&reactor, events).expect("the loop, the socket and JavaScript work");
        }
    })
}
