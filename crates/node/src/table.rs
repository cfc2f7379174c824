//! Handles: integers that JavaScript holds for native objects.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use gaiwan_endpoint::{Accepting, Endpoint, Incoming, Router, Verdict};
use tokio::sync::oneshot;

use crate::{
    blobs::Piece, connection::Held, framed, gossip, recv::RecvHalf, request::Responder,
    send::SendHalf,
};

/// What a handle can stand for.
pub enum Object {
    /// An endpoint.
    Endpoint(Endpoint),
    /// An attempt that nobody has decided about; `back` returns it to the router that asked.
    Incoming { incoming: Incoming, back: Option<oneshot::Sender<Option<Incoming>>> },
    /// A handshake at the acceptor; shared with the call that waits for its ALPN.
    Accepting(Arc<tokio::sync::Mutex<Option<Accepting>>>),
    /// A connection.
    Connection(Arc<Held>),
    /// The sending half of a stream.
    Send(Arc<SendHalf>),
    /// The receiving half of a stream.
    Recv(Arc<RecvHalf>),
    /// A request that waits for its answer.
    Responder(Responder),
    /// A router.
    Router(Router),
    /// Something that a native task waits for.
    Token(oneshot::Sender<()>),
    /// The answer that a handshake waits for.
    Verdict(oneshot::Sender<Verdict>),
    /// Something of the blobs.
    Blobs(Piece),
    /// Something of gossip.
    Gossip(gossip::Piece),
    /// Something of frames.
    Framed(framed::Piece),
}

/// Handles are counted up, so the number is its own hash.
#[derive(Default)]
struct SameHash(u64);

impl Hasher for SameHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u32(&mut self, n: u32) {
        // The map takes its control byte from the top bits, which a small number leaves empty.
        self.0 = u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Objects by handle. Only the JavaScript thread touches it.
#[derive(Default)]
pub struct Table {
    objects: HashMap<u32, Object, BuildHasherDefault<SameHash>>,
    last: u32,
}

impl Table {
    /// A new handle; a number comes again only after all others, so a late release can't hit a new object.
    pub fn insert(&mut self, object: Object) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if self.last != 0 && !self.objects.contains_key(&self.last) {
                self.objects.insert(self.last, object);
                return self.last;
            }
        }
    }

    /// Two handles in a row; the first is answered.
    pub fn insert_pair(&mut self, first: Object, second: Object) -> u32 {
        loop {
            let (a, b) = (self.last.wrapping_add(1), self.last.wrapping_add(2));
            self.last = b;
            if a != 0 && b != 0 && !self.objects.contains_key(&a) && !self.objects.contains_key(&b)
            {
                self.objects.insert(a, first);
                self.objects.insert(b, second);
                return a;
            }
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, handle: u32) -> Option<Object> {
        self.objects.remove(&handle)
    }

    /// Puts an object back under its handle.
    pub fn restore(&mut self, handle: u32, object: Object) {
        self.objects.insert(handle, object);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Takes all out.
    pub fn clear(&mut self) -> Vec<Object> {
        self.objects.drain().map(|(_, object)| object).collect()
    }

    /// The endpoint of a handle.
    pub fn endpoint(&self, handle: u32) -> Option<&Endpoint> {
        match self.objects.get(&handle)? {
            Object::Endpoint(endpoint) => Some(endpoint),
            _ => None,
        }
    }

    /// The connection of a handle.
    pub fn connection(&self, handle: u32) -> Option<&Arc<Held>> {
        match self.objects.get(&handle)? {
            Object::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    /// The sending half of a handle.
    pub fn send(&self, handle: u32) -> Option<&Arc<SendHalf>> {
        match self.objects.get(&handle)? {
            Object::Send(send) => Some(send),
            _ => None,
        }
    }

    /// The receiving half of a handle.
    pub fn recv(&self, handle: u32) -> Option<&Arc<RecvHalf>> {
        match self.objects.get(&handle)? {
            Object::Recv(recv) => Some(recv),
            _ => None,
        }
    }

    /// The handshake of a handle.
    pub fn accepting(&self, handle: u32) -> Option<&Arc<tokio::sync::Mutex<Option<Accepting>>>> {
        match self.objects.get(&handle)? {
            Object::Accepting(accepting) => Some(accepting),
            _ => None,
        }
    }

    /// The router of a handle.
    pub fn router(&self, handle: u32) -> Option<&Router> {
        match self.objects.get(&handle)? {
            Object::Router(router) => Some(router),
            _ => None,
        }
    }

    /// What of the blobs a handle stands for.
    pub fn piece(&self, handle: u32) -> Option<&Piece> {
        match self.objects.get(&handle)? {
            Object::Blobs(piece) => Some(piece),
            _ => None,
        }
    }

    /// What of gossip a handle stands for.
    pub fn gossip(&self, handle: u32) -> Option<&gossip::Piece> {
        match self.objects.get(&handle)? {
            Object::Gossip(piece) => Some(piece),
            _ => None,
        }
    }

    /// What of frames a handle stands for.
    pub fn framed(&self, handle: u32) -> Option<&framed::Piece> {
        match self.objects.get(&handle)? {
            Object::Framed(piece) => Some(piece),
            _ => None,
        }
    }

    /// Takes a request out that waits for its answer in a frame.
    pub fn take_waiting(&mut self, handle: u32) -> Option<Box<framed::Waiting>> {
        match self.objects.remove(&handle)? {
            Object::Framed(framed::Piece::Waiting(waiting)) => Some(waiting),
            other => {
                self.objects.insert(handle, other);
                None
            }
        }
    }

    /// Takes a responder out.
    pub fn take_responder(&mut self, handle: u32) -> Option<Responder> {
        match self.objects.remove(&handle)? {
            Object::Responder(responder) => Some(responder),
            other => {
                self.objects.insert(handle, other);
                None
            }
        }
    }
}
