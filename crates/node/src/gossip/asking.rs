//! What an instance asks JavaScript. Faces `ts/gossip/asking.ts`.

use std::{net::SocketAddr, sync::Arc};

use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::{BoxFuture, Connection, Failure};
use gaiwan_gossip::{Accept, Dial};
use napi_derive::napi;
use tokio::sync::oneshot;

use super::piece::Piece;
use crate::{
    bridge::NativeBridge,
    core::Core,
    queue::{Aux, Event},
    table::Object,
};

#[napi]
impl NativeBridge {
    /// The answer about who may connect; a second one is ignored.
    #[napi]
    pub fn gossip_accepted(&self, token: u32, yes: bool) {
        if let Some(Object::Gossip(Piece::Answer(answer))) = self.table_mut().remove(token) {
            // Nobody waits any more if it came too late.
            let _ = answer.send(yes);
        }
    }

    /// The connection that was asked for, or null, a code and why there is none. The connection stays open without its handle.
    #[napi(catch_unwind)]
    pub fn gossip_dialed(
        &self,
        token: u32,
        connection: Option<u32>,
        code: Option<String>,
        message: Option<String>,
    ) -> napi::Result<()> {
        let dialed = match connection {
            Some(handle) => Ok(self.connection_of(handle)?.connection.clone()),
            None => {
                let known =
                    ErrorCode::ALL.iter().find(|known| Some(known.as_str()) == code.as_deref());
                let code = known.copied().unwrap_or(ErrorCode::Internal);
                Err(Failure::new(code, message.unwrap_or_default()))
            }
        };
        if let Some(Object::Gossip(Piece::Dialed(answer))) = self.table_mut().remove(token) {
            // Dropped, and so closed, if nobody waits any more.
            let _ = answer.send(dialed);
        }
        Ok(())
    }
}

/// Asks who may connect.
pub struct JsAccept {
    pub core: Arc<Core>,
    pub sub: u32,
}

impl Accept for JsAccept {
    fn accept(&self, remote: EndpointId) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let (sender, answer) = oneshot::channel();
            ask(&self.core, self.sub, Piece::Answer(sender), remote.as_bytes().to_vec());
            // No answer comes when the environment is gone; the instance limits how long it waits.
            answer.await.unwrap_or(false)
        })
    }
}

/// Asks for a connection, since lookups and hooks live in JavaScript.
pub struct JsDial {
    pub core: Arc<Core>,
    pub sub: u32,
    pub all: bool,
}

impl Dial for JsDial {
    fn dial(
        &self,
        id: EndpointId,
        addresses: Vec<SocketAddr>,
    ) -> BoxFuture<'_, Result<Connection, Failure>> {
        Box::pin(async move {
            let (sender, answer) = oneshot::channel();
            let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            let mut question = id.as_bytes().to_vec();
            question.extend_from_slice(addresses.join(",").as_bytes());
            ask(&self.core, self.sub, Piece::Dialed(sender), question);
            answer.await.unwrap_or_else(|_| Err(Failure::endpoint_closed()))
        })
    }

    fn dials_all(&self) -> bool {
        self.all
    }
}

fn ask(core: &Core, sub: u32, token: Piece, question: Vec<u8>) {
    core.push(Event::item(sub, Aux::Object(token.object()), question));
    core.look();
}
