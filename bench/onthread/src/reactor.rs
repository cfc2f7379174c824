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
        if self.look.time.is_zero() {
            return Ok(());
        }
        // A message passed: the next one is likely to be near.
        if self.looking.replace(Some(Instant::now() + self.look.time)).is_none()
            && let Some(Watchers { idle, .. }) = &*self.watchers.borrow()
        {
            idle.start()?;
        }
        Ok(())
    }

    /// The loop came round while the thread is looking.
    fn look_round(&self) -> Result<(), Failure> {
        while let Some(until) = self.looking.get() {
            if Instant::now() >= until {
                self.looking.set(None);
                if let Some(Watchers { idle, .. }) = &*self.watchers.borrow() {
                    idle.stop()?;
                }
                break;
            }
            // Other threads first: the peer may be one of them.
            std::thread::yield_now();
            if !self.look.direct {
                break;
            }
            if self.receive()? {
                return self.flush();
            }
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
