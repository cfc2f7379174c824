//! The one object that a JavaScript environment holds.

use std::{
    cell::{Ref, RefCell, RefMut},
    collections::HashMap,
    sync::Arc,
};

use bytes::Bytes;
use gaiwan_endpoint::{Endpoint, Failure};
use napi::bindgen_prelude::{Function, Uint8ArraySlice};
use napi_derive::napi;

use crate::{
    connection::Held,
    core::{Core, Job},
    datagram::Datagrams,
    error::{stale, to_js},
    log,
    queue::{Drain, Queue, RECORD},
    recv::RecvHalf,
    runtime,
    send::SendHalf,
    spin::Pace,
    table::{Object, Table},
};

/// Owns everything native of one environment. Its methods are spread over the files that face `ts/`.
#[napi]
pub struct NativeBridge {
    core: Option<Arc<Core>>,
    table: RefCell<Table>,
    drain: RefCell<Drain>,
    pub(crate) pace: Pace,
    /// Datagram queues by subscription.
    pub(crate) datagrams: RefCell<HashMap<u32, Arc<Datagrams>>>,
}

#[napi]
impl NativeBridge {
    /// `wake` is called on this thread whenever `drain` has something to give. It does not keep the process alive.
    #[napi(constructor)]
    pub fn new(wake: Function<'_, (), ()>) -> napi::Result<Self> {
        let core = Core::start(Queue::new(&wake)?, runtime::handle()?);
        Ok(Self {
            core: Some(core),
            table: RefCell::default(),
            drain: RefCell::default(),
            pace: Pace::default(),
            datagrams: RefCell::default(),
        })
    }

    /// Writes records into `slab` from `offset` on; answers the new offset, which is `offset` when there is nothing.
    #[napi]
    pub fn drain(&self, mut slab: Uint8ArraySlice<'_>, offset: u32) -> napi::Result<u32> {
        let offset = offset as usize;
        if offset + RECORD > slab.len() {
            return Err(napi::Error::from_reason("the slab has no room for a record"));
        }
        let end = self.drain.borrow_mut().run(
            &self.core()?.queue,
            &mut self.table.borrow_mut(),
            writable(&mut slab),
            offset,
        );
        Ok(u32::try_from(end).unwrap_or(u32::MAX))
    }

    /// Copies the body that did not fit the slab.
    #[napi]
    pub fn take_large(&self, mut target: Uint8ArraySlice<'_>) -> napi::Result<()> {
        match self.drain.borrow_mut().take_large() {
            Some(body) if body.len() == target.len() => {
                writable(&mut target).copy_from_slice(&body);
                Ok(())
            }
            _ => Err(napi::Error::from_reason("no large body of that length waits")),
        }
    }

    /// Ends a call or a subscription; nothing more is heard of it, but of an OPEN that waits its END.
    #[napi]
    pub fn cancel(&self, id: u32) -> napi::Result<()> {
        self.datagrams.borrow_mut().remove(&id);
        self.core()?.send(Job::Cancel(id));
        Ok(())
    }

    /// Gives a handle up. Unknown handles are ignored: a finalizer may come late.
    #[napi(catch_unwind)]
    pub fn release(&self, handle: u32) {
        let object = self.table.borrow_mut().remove(handle);
        if let (Some(object), Some(core)) = (object, &self.core) {
            core.enter(|| release(object));
        }
    }
}

/// What giving a handle up means for each kind of object.
pub(crate) fn release(object: Object) {
    match object {
        Object::Endpoint(endpoint) => endpoint.close_now(),
        Object::Incoming { incoming, .. } => incoming.refuse(),
        Object::Send(send) => send.release(),
        Object::Blobs(piece) => piece.release(),
        Object::Framed(piece) => piece.release(),
        // Dropping these says all there is to say.
        Object::Accepting(_)
        | Object::Connection(_)
        | Object::Gossip(_)
        | Object::Recv(_)
        | Object::Responder(_)
        | Object::Router(_)
        | Object::Token(_)
        | Object::Verdict(_) => {}
    }
}

impl NativeBridge {
    /// Always there until the environment goes away.
    pub(crate) fn core(&self) -> napi::Result<&Arc<Core>> {
        self.core.as_ref().ok_or_else(|| napi::Error::from_reason("the environment is gone"))
    }

    pub(crate) fn table(&self) -> Ref<'_, Table> {
        self.table.borrow()
    }

    pub(crate) fn table_mut(&self) -> RefMut<'_, Table> {
        self.table.borrow_mut()
    }

    pub(crate) fn endpoint_of(&self, handle: u32) -> napi::Result<Endpoint> {
        self.table().endpoint(handle).cloned().ok_or_else(|| to_js(Failure::endpoint_closed()))
    }

    pub(crate) fn connection_of(&self, handle: u32) -> napi::Result<Arc<Held>> {
        self.table().connection(handle).cloned().ok_or_else(|| stale("connection"))
    }

    pub(crate) fn send_of(&self, handle: u32) -> napi::Result<Arc<SendHalf>> {
        self.table().send(handle).cloned().ok_or_else(|| to_js(Failure::stream_closed()))
    }

    pub(crate) fn recv_of(&self, handle: u32) -> napi::Result<Arc<RecvHalf>> {
        self.table().recv(handle).cloned().ok_or_else(|| to_js(Failure::stream_closed()))
    }

    /// Schedules the pump of a stream that was written to directly.
    pub(crate) fn pump(&self, send: &Arc<SendHalf>) -> napi::Result<()> {
        if send.schedule() {
            self.core()?.send(Job::Pump(send.clone()));
        }
        Ok(())
    }
}

impl Drop for NativeBridge {
    /// The environment ends, perhaps in the middle of everything: endpoints close hard, tasks that wait for an answer
    /// of JavaScript see their sender gone, nobody is told.
    fn drop(&mut self) {
        let Some(core) = self.core.take() else { return };
        core.queue.close();
        log::detach(&core);
        let objects = self.table.get_mut().clear();
        // Endpoints first: what is given up while they live is told to peers as if somebody had meant it.
        let (endpoints, rest): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| matches!(object, Object::Endpoint(_)));
        core.enter(|| endpoints.into_iter().chain(rest).for_each(release));
        core.send(Job::Stop);
    }
}

/// Bytes of a body that is one word.
pub(crate) fn code_bytes(code: u64) -> Bytes {
    Bytes::copy_from_slice(&code.to_le_bytes())
}

/// The memory of an array that JavaScript lends for one synchronous call.
#[allow(
    unsafe_code,
    reason = "the JavaScript thread is inside this call, so nothing else touches the memory"
)]
pub(crate) fn writable<'a>(array: &'a mut Uint8ArraySlice<'_>) -> &'a mut [u8] {
    unsafe { array.as_mut() }
}
