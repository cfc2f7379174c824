//! The way into JavaScript. Faces `ts/gossip/receiver.ts`.

use gaiwan_gossip::TopicReceiver;
use napi::{Env, bindgen_prelude::Uint8ArraySlice};
use napi_derive::napi;
use serde_json::{Value, json};

use super::{batch::pack, piece::Piece};
use crate::{
    bridge::NativeBridge,
    error::to_json,
    queue::{Aux, Event},
    table::Object,
};

/// The most that one crossing carries.
const EVENTS: usize = 256;
const BYTES: usize = 256 * 1024;

#[napi]
impl NativeBridge {
    /// OK with a block of at least one event, its aux the number of events; aux 0 once the topic is closed.
    #[napi]
    pub fn gossip_next(&self, call: u32, receiver: u32) -> napi::Result<()> {
        let receiver = self.receiver_of(receiver)?;
        self.core()?.call(call, async move {
            let events = receiver.next(EVENTS, BYTES).await?;
            let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
            Ok(Event::ok(call, Aux::Value(count), pack(&events)))
        });
        Ok(())
    }

    /// OK with the first neighbor.
    #[napi]
    pub fn gossip_joined(&self, call: u32, receiver: u32) -> napi::Result<()> {
        let receiver = self.receiver_of(receiver)?;
        self.core()?.call(call, async move {
            receiver.joined().await?;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// 32 bytes each.
    #[napi(catch_unwind)]
    pub fn gossip_neighbors<'env>(
        &self,
        env: &'env Env,
        receiver: u32,
    ) -> napi::Result<Uint8ArraySlice<'env>> {
        let neighbors = self.receiver_of(receiver)?.neighbors();
        Uint8ArraySlice::copy_from(
            env,
            neighbors.iter().flat_map(|id| *id.as_bytes()).collect::<Vec<u8>>(),
        )
    }

    /// Whether there is a neighbor.
    #[napi(catch_unwind)]
    pub fn gossip_is_joined(&self, receiver: u32) -> napi::Result<bool> {
        Ok(self.receiver_of(receiver)?.is_joined())
    }

    /// JSON `[{id, error}]` of the dials that failed, the error as JSON text.
    #[napi(catch_unwind)]
    pub fn gossip_failed_dials(&self, receiver: u32) -> napi::Result<String> {
        let failed = self.receiver_of(receiver)?.failed_dials();
        let list = failed
            .iter()
            .map(|(id, failure)| json!({ "id": id.to_hex(), "error": to_json(failure) }));
        Ok(Value::Array(list.collect()).to_string())
    }

    /// Uses the handle up; who waits for events hears the end. OK once, if that was the last half, the farewell is sent.
    #[napi]
    pub fn gossip_close_receiver(&self, call: u32, receiver: u32) -> napi::Result<()> {
        let object = self.table_mut().remove(receiver);
        let receiver = match object {
            Some(Object::Gossip(Piece::Receiver(receiver))) => Some(receiver),
            _ => None,
        };
        self.core()?.call(call, async move {
            if let Some(receiver) = receiver {
                TopicReceiver::close(&receiver).await;
            }
            Ok(Event::done(call))
        });
        Ok(())
    }
}
