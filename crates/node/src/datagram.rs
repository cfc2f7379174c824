//! Faces `ts/endpoint/datagrams.ts`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use gaiwan_endpoint::Failure;
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;

use crate::{
    bridge::{NativeBridge, writable},
    connection::over,
    error::to_js,
    queue::{Aux, Event},
};

/// Bytes of received datagrams that wait for JavaScript; over it the oldest go.
const LIMIT: usize = 1_250_000;
/// What a datagram costs beside its bytes.
const OVERHEAD: usize = 64;

#[derive(Default)]
struct Waiting {
    datagrams: VecDeque<Bytes>,
    bytes: usize,
    /// JavaScript has been told and has not emptied the queue since.
    told: bool,
}

/// Datagrams of one subscription.
#[derive(Default)]
pub struct Datagrams(Mutex<Waiting>);

impl Datagrams {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; answers how many old ones went and whether JavaScript must be told.
    fn push(&self, datagram: Bytes) -> (u64, bool) {
        let mut waiting = self.lock();
        let mut dropped = 0;
        waiting.bytes += datagram.len() + OVERHEAD;
        waiting.datagrams.push_back(datagram);
        while waiting.bytes > LIMIT {
            let Some(oldest) = waiting.datagrams.pop_front() else { break };
            waiting.bytes -= oldest.len() + OVERHEAD;
            dropped += 1;
        }
        let tell = !std::mem::replace(&mut waiting.told, true);
        (dropped, tell)
    }

    /// Packs `length, bytes, padding` while they fit; zero says that the queue is empty and that news will be told.
    fn pack(&self, target: &mut [u8]) -> usize {
        let mut waiting = self.lock();
        let mut at = 0;
        while let Some(next) = waiting.datagrams.front() {
            let end = at + 4 + next.len();
            if end.next_multiple_of(4) > target.len() {
                return at;
            }
            let length = u32::try_from(next.len()).unwrap_or(u32::MAX);
            target[at..at + 4].copy_from_slice(&length.to_le_bytes());
            target[at + 4..end].copy_from_slice(next);
            waiting.bytes -= next.len() + OVERHEAD;
            waiting.datagrams.pop_front();
            at = end.next_multiple_of(4);
        }
        if at == 0 {
            waiting.told = false;
        }
        at
    }
}

#[napi]
impl NativeBridge {
    /// Sends one; when the buffer is full the oldest unsent one goes.
    #[napi(catch_unwind)]
    pub fn send_datagram(&self, connection: u32, data: &[u8]) -> napi::Result<()> {
        let sent =
            self.connection_of(connection)?.quinn().send_datagram(Bytes::copy_from_slice(data));
        sent.map_err(|error| to_js(Failure::datagram(&error)))
    }

    /// As `sendDatagram`, but waits for room.
    #[napi]
    pub fn send_datagram_wait(&self, call: u32, connection: u32, data: &[u8]) -> napi::Result<()> {
        let held = self.connection_of(connection)?;
        let data = Bytes::copy_from_slice(data);
        self.core()?.call(call, async move {
            held.quinn()
                .send_datagram_wait(data)
                .await
                .map_err(|error| Failure::datagram(&error))?;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// Tells by an ITEM that datagrams wait for `takeDatagrams`.
    #[napi]
    pub fn datagrams(&self, connection: u32, sub: u32) -> napi::Result<()> {
        let (core, held) = (self.core()?.clone(), self.connection_of(connection)?);
        let waiting = Arc::new(Datagrams::default());
        self.datagrams.borrow_mut().insert(sub, waiting.clone());
        self.core()?.subscribe(sub, async move {
            loop {
                match held.quinn().read_datagram().await {
                    Ok(datagram) => {
                        let (dropped, tell) = waiting.push(datagram);
                        held.datagrams_dropped.fetch_add(dropped, Relaxed);
                        if tell {
                            core.push(Event::item(sub, Aux::Value(0), Bytes::new()));
                        }
                    }
                    Err(error) => return over(&error),
                }
            }
        });
        Ok(())
    }

    /// Packs what waits into `target`; bytes used.
    #[napi]
    pub fn take_datagrams(&self, sub: u32, mut target: Uint8ArraySlice<'_>) -> u32 {
        let used = self
            .datagrams
            .borrow()
            .get(&sub)
            .map_or(0, |waiting| waiting.pack(writable(&mut target)));
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    /// Null if the peer takes none.
    #[napi(catch_unwind)]
    pub fn max_datagram_bytes(&self, connection: u32) -> napi::Result<Option<u32>> {
        let max = self.connection_of(connection)?.quinn().max_datagram_size();
        Ok(max.map(|max| u32::try_from(max).unwrap_or(u32::MAX)))
    }

    /// Bytes free in the send buffer.
    #[napi(catch_unwind)]
    pub fn datagram_send_space(&self, connection: u32) -> napi::Result<u32> {
        let space = self.connection_of(connection)?.quinn().datagram_send_buffer_space();
        Ok(u32::try_from(space).unwrap_or(u32::MAX))
    }
}
