//! Faces `ts/blobs/remote.ts`: what a peer has, and bytes of it past the store.

use std::{sync::Arc, time::Duration};

use gaiwan_base::Hash;
use gaiwan_blobs::getter::{self, BlobStream, Observation};
use napi_derive::napi;
use tokio::sync::Mutex;

use super::{download::content, piece::Piece, work::bitfield};
use crate::{
    bridge::NativeBridge,
    error::{stale, to_js},
    options::whole,
    queue::{Aux, Event},
};

/// Something that is read from a peer, piece by piece.
pub enum Remote {
    /// What it has.
    Observation(Observation),
    /// Bytes.
    Stream(BlobStream),
}

fn hash_of(bytes: &[u8]) -> napi::Result<Hash> {
    Hash::try_from(bytes).map_err(|_| stale("hash of 32 bytes"))
}

#[napi]
impl NativeBridge {
    /// OK with a handle for `blobs_next`: JSON bitfields.
    #[napi(catch_unwind)]
    pub fn blobs_observe(&self, call: u32, connection: u32, hash: &[u8]) -> napi::Result<()> {
        let (held, hash) = (self.connection_of(connection)?, hash_of(hash)?);
        self.core()?.call(call, async move {
            let observation = getter::observe(&held.connection, hash).await?;
            Ok(opened(call, Remote::Observation(observation)))
        });
        Ok(())
    }

    /// OK with a handle for `blobs_next`: verified bytes.
    #[napi(catch_unwind)]
    pub fn blobs_stream(
        &self,
        call: u32,
        connection: u32,
        hash: &[u8],
        start: f64,
        end: Option<f64>,
        stall_timeout_ms: f64,
    ) -> napi::Result<()> {
        let (held, hash) = (self.connection_of(connection)?, hash_of(hash)?);
        let stall = Duration::from_millis(whole(stall_timeout_ms));
        self.core()?.call(call, async move {
            let stream =
                BlobStream::open(&held.connection, hash, whole(start), end.map(whole), stall)
                    .await?;
            Ok(opened(call, Remote::Stream(stream)))
        });
        Ok(())
    }

    /// OK with the next piece and 1, or with 0 at the end.
    #[napi(catch_unwind)]
    pub fn blobs_next(&self, call: u32, remote: u32) -> napi::Result<()> {
        let remote = self.remote_of(remote)?;
        self.core()?.call(call, async move {
            Ok(match &mut *remote.lock().await {
                Remote::Observation(observation) => match observation.next().await? {
                    Some(field) => Event::ok(call, Aux::Value(1), bitfield(&field)?.to_string()),
                    None => Event::done(call),
                },
                Remote::Stream(stream) => match stream.next().await? {
                    Some(bytes) => Event::ok(call, Aux::Value(1), bytes),
                    None => Event::done(call),
                },
            })
        });
        Ok(())
    }

    /// OK with the size as JSON, proven by the last chunk.
    #[napi(catch_unwind)]
    pub fn blobs_size(
        &self,
        call: u32,
        connection: u32,
        hash: &[u8],
        stall_timeout_ms: f64,
    ) -> napi::Result<()> {
        let (held, hash) = (self.connection_of(connection)?, hash_of(hash)?);
        let stall = Duration::from_millis(whole(stall_timeout_ms));
        self.core()?.call(call, async move {
            let size = getter::verified_size(&held.connection, hash, stall).await?;
            Ok(Event::ok(call, Aux::Value(0), size.to_string()))
        });
        Ok(())
    }

    /// OK once the peer has every byte.
    #[napi(catch_unwind)]
    pub fn blobs_push(
        &self,
        call: u32,
        store: u32,
        connection: u32,
        hash: &[u8],
        is_seq: bool,
    ) -> napi::Result<()> {
        let (stored, held) = (self.store_of(store)?, self.connection_of(connection)?);
        let (store, running) = (stored.store().map_err(to_js)?, stored.begin().map_err(to_js)?);
        let content = content(hash, is_seq)?;
        self.core()?.call(call, async move {
            let _running = running;
            getter::push(&held.connection, &store, content).await?;
            Ok(Event::done(call))
        });
        Ok(())
    }
}

fn opened(call: u32, remote: Remote) -> Event {
    let object = Piece::Remote(Arc::new(Mutex::new(remote))).object();
    Event::ok(call, Aux::Object(object), bytes::Bytes::new())
}
