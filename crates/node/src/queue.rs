//! Events on their way to JavaScript: pushed from any thread, drained in batches on the JavaScript thread.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use gaiwan_endpoint::Failure;
use napi::{
    Status,
    bindgen_prelude::Function,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};

use crate::{
    error::to_json,
    router::Queued,
    table::{Object, Table},
};

/// Bodies above this travel beside the slab, so that a small view which the user keeps pins no large one.
const LARGE: usize = 4096;
/// Words `id, kind, aux, length`.
const HEADER: usize = 16;
/// The most that one record takes in a slab: header, the words of a router item, body.
pub const RECORD: usize = HEADER + 12 + LARGE + 4 + 224;

const LARGE_BIT: u32 = 0x80;
const HANDLE_BIT: u32 = 0x100;
const PAIR_BIT: u32 = 0x200;

/// What a record says.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Settles a call.
    Ok = 0,
    /// Fails a call.
    Error = 1,
    /// One more of a subscription.
    Item = 2,
    /// A subscription is over.
    End = 3,
    /// A subscription has failed.
    Failed = 4,
}

/// What goes in `aux`.
pub enum Aux {
    /// A number.
    Value(u32),
    /// An object that gets its handle while it is drained.
    Object(Object),
    /// Both halves of a bi stream.
    Pair(Object, Object),
    /// Nothing, and a count of what waits goes down when it is drained.
    Counted(Queued),
    /// An item of a router: its type and route, an object and a token.
    Routed {
        kind: u32,
        route: u32,
        object: Option<Object>,
        token: Option<Object>,
        queued: Option<Queued>,
    },
}

/// One record.
pub struct Event {
    /// Call or subscription.
    pub id: u32,
    /// What it says.
    pub kind: Kind,
    /// Number or objects.
    pub aux: Aux,
    /// Bytes.
    pub body: Bytes,
}

impl Event {
    /// A call is done.
    pub fn ok(id: u32, aux: Aux, body: impl Into<Bytes>) -> Self {
        Self { id, kind: Kind::Ok, aux, body: body.into() }
    }

    /// A call is done and has nothing to say.
    pub fn done(id: u32) -> Self {
        Self::ok(id, Aux::Value(0), Bytes::new())
    }

    /// A subscription has one more.
    pub fn item(id: u32, aux: Aux, body: impl Into<Bytes>) -> Self {
        Self { id, kind: Kind::Item, aux, body: body.into() }
    }

    /// A call has failed.
    pub fn error(id: u32, failure: &Failure) -> Self {
        Self { id, kind: Kind::Error, aux: Aux::Value(0), body: to_json(failure).into() }
    }

    /// A subscription is over.
    pub fn end(id: u32) -> Self {
        Self { id, kind: Kind::End, aux: Aux::Value(0), body: Bytes::new() }
    }

    /// A subscription has failed.
    pub fn failed(id: u32, failure: &Failure) -> Self {
        Self { id, kind: Kind::Failed, aux: Aux::Value(0), body: to_json(failure).into() }
    }
}

type Wake = ThreadsafeFunction<(), (), (), Status, false, true>;

/// The queue of one JavaScript environment.
pub struct Queue {
    events: Mutex<VecDeque<Event>>,
    /// Set while a wake is due or under way, so that a batch costs one.
    armed: AtomicBool,
    closed: AtomicBool,
    wake: Wake,
}

impl Queue {
    /// `wake` is called on the JavaScript thread; it does not keep the process alive.
    pub fn new(wake: &Function<'_, (), ()>) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function::<()>().weak::<true>().build()?;
        Ok(Self {
            events: Mutex::default(),
            armed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            wake,
        })
    }

    /// From any thread. Whether nobody has been told yet, so that the caller must see to a [`Queue::wake`].
    #[must_use]
    pub fn push(&self, event: Event) -> bool {
        if self.closed.load(Ordering::Relaxed) {
            return false;
        }
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
        !self.armed.swap(true, Ordering::AcqRel)
    }

    /// Wakes the JavaScript thread.
    pub fn wake(&self) {
        if !self.closed.load(Ordering::Relaxed) {
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Nobody drains any more: drops what waits and all that comes.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let events =
            std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        drop(events);
    }

    /// The next batch. Clears `armed` first: the other order could lose a wake.
    fn take(&self) -> VecDeque<Event> {
        self.armed.store(false, Ordering::Release);
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The JavaScript thread's side: events that were taken and do not fit the slab yet, and large bodies.
#[derive(Default)]
pub struct Drain {
    taken: VecDeque<Event>,
    large: VecDeque<Bytes>,
}

impl Drain {
    /// Writes records from `offset` on; answers the new offset.
    pub fn run(
        &mut self,
        queue: &Queue,
        table: &mut Table,
        slab: &mut [u8],
        mut offset: usize,
    ) -> usize {
        if self.taken.is_empty() {
            self.taken = queue.take();
        }
        while offset + RECORD <= slab.len() {
            let Some(event) = self.taken.pop_front() else { break };
            offset = self.write(event, table, slab, offset);
        }
        offset
    }

    /// The large body of the record that was read last.
    pub fn take_large(&mut self) -> Option<Bytes> {
        self.large.pop_front()
    }

    fn write(&mut self, event: Event, table: &mut Table, slab: &mut [u8], offset: usize) -> usize {
        let Event { id, kind, aux, body } = event;
        let mut kind = kind as u32;
        let mut at = offset + HEADER;
        let aux = match aux {
            Aux::Value(value) => value,
            Aux::Counted(waiting) => {
                drop(waiting);
                0
            }
            Aux::Object(object) => {
                kind |= HANDLE_BIT;
                table.insert(object)
            }
            Aux::Pair(first, second) => {
                kind |= PAIR_BIT;
                table.insert_pair(first, second)
            }
            Aux::Routed { kind: item, route, object, token, queued } => {
                drop(queued);
                let token = token.map_or(0, |token| table.insert(token));
                for word in [item, route, token] {
                    put(slab, &mut at, word);
                }
                match object {
                    Some(object) => {
                        kind |= HANDLE_BIT;
                        table.insert(object)
                    }
                    None => 0,
                }
            }
        };
        let head = at - offset - HEADER;
        let length = head + body.len();
        // A router item is small by its nature, so only plain bodies go beside the slab.
        if body.len() > LARGE && head == 0 {
            kind |= LARGE_BIT;
            self.large.push_back(body);
        } else {
            let body = &body[..body.len().min(LARGE)];
            slab[at..at + body.len()].copy_from_slice(body);
            at = (at + body.len()).next_multiple_of(4);
        }
        let mut header = offset;
        for word in [id, kind, aux, u32::try_from(length).unwrap_or(u32::MAX)] {
            put(slab, &mut header, word);
        }
        at
    }
}

fn put(slab: &mut [u8], at: &mut usize, word: u32) {
    slab[*at..*at + 4].copy_from_slice(&word.to_le_bytes());
    *at += 4;
}
