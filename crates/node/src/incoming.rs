//! Faces `ts/endpoint/incoming.ts`.

use std::sync::Arc;

use bytes::Bytes;
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{Accepting, DialOptions, Endpoint, Failure, Incoming};
use napi_derive::napi;
use serde_json::json;
use tokio::sync::{Mutex, oneshot};

use crate::{
    bridge::NativeBridge,
    connection::connected,
    error::{stale, to_js},
    options::NativeConnectOptions,
    queue::{Aux, Event},
    table::Object,
};

/// What is known of an attempt, as JSON.
pub fn incoming_facts(incoming: &Incoming, endpoint: &Endpoint) -> Bytes {
    let port = endpoint.sockets().first().map_or(0, |socket| socket.address.port());
    let local = incoming.local_ip().map(|ip| std::net::SocketAddr::new(ip, port).to_string());
    json!({
        "remoteAddress": incoming.remote_address().to_string(),
        "localAddress": local,
        "addressValidated": incoming.address_validated(),
    })
    .to_string()
    .into()
}

fn decided() -> napi::Error {
    to_js(Failure::new(ErrorCode::IncomingDecided, "this attempt has been decided about already"))
}

type Undecided = (Incoming, Option<oneshot::Sender<Option<Incoming>>>);

impl NativeBridge {
    fn decide(&self, handle: u32) -> napi::Result<Undecided> {
        let mut table = self.table_mut();
        match table.remove(handle) {
            Some(Object::Incoming { incoming, back }) => Ok((incoming, back)),
            Some(other) => {
                table.restore(handle, other);
                Err(decided())
            }
            None => Err(decided()),
        }
    }

    fn accepting_of(&self, handle: u32) -> napi::Result<Arc<Mutex<Option<Accepting>>>> {
        self.table().accepting(handle).cloned().ok_or_else(|| stale("handshake"))
    }
}

async fn take(accepting: &Mutex<Option<Accepting>>) -> Result<Accepting, Failure> {
    let taken = accepting.lock().await.take();
    taken
        .ok_or_else(|| Failure::new(ErrorCode::IncomingDecided, "this handshake was taken already"))
}

#[napi]
impl NativeBridge {
    /// OK with the connection and its facts.
    #[napi(catch_unwind)]
    pub fn incoming_accept(
        &self,
        call: u32,
        incoming: u32,
        options: NativeConnectOptions,
    ) -> napi::Result<()> {
        let (incoming, _) = self.decide(incoming)?;
        let options = DialOptions::from(options);
        self.core()?.call(call, async move {
            let early = options.early;
            let accepting = incoming.accept(options)?;
            let connection =
                if early { accepting.early().await? } else { accepting.finish().await? };
            Ok(connected(call, connection))
        });
        Ok(())
    }

    /// The dialer fails at once.
    #[napi(catch_unwind)]
    pub fn incoming_refuse(&self, incoming: u32) -> napi::Result<()> {
        let (incoming, _) = self.decide(incoming)?;
        self.core()?.enter(|| incoming.refuse());
        Ok(())
    }

    /// The dialer must come again; an attempt that has a proven address stays undecided.
    #[napi(catch_unwind)]
    pub fn incoming_retry(&self, handle: u32) -> napi::Result<()> {
        let (incoming, back) = self.decide(handle)?;
        match self.core()?.enter(|| incoming.retry()) {
            Ok(()) => Ok(()),
            Err(incoming) => {
                self.table_mut().restore(handle, Object::Incoming { incoming, back });
                Err(to_js(Failure::new(
                    ErrorCode::RetryNotAllowed,
                    "the dialer has proven its address already",
                )))
            }
        }
    }

    /// The dialer hears nothing.
    #[napi(catch_unwind)]
    pub fn incoming_ignore(&self, incoming: u32) -> napi::Result<()> {
        let (incoming, _) = self.decide(incoming)?;
        self.core()?.enter(|| incoming.ignore());
        Ok(())
    }

    /// Back to the router that asked.
    #[napi(catch_unwind)]
    pub fn incoming_proceed(&self, incoming: u32) -> napi::Result<()> {
        let (incoming, back) = self.decide(incoming)?;
        match back {
            // The router's task may be gone by now; then the attempt is dropped, which refuses it.
            Some(back) => drop(back.send(Some(incoming))),
            None => self.core()?.enter(|| incoming.refuse()),
        }
        Ok(())
    }

    /// OK with the ALPN that was chosen.
    #[napi]
    pub fn accepting_alpn(&self, call: u32, accepting: u32) -> napi::Result<()> {
        let accepting = self.accepting_of(accepting)?;
        self.core()?.call(call, async move {
            let alpn = match accepting.lock().await.as_mut() {
                Some(accepting) => accepting.alpn().await?,
                None => {
                    return Err(Failure::new(
                        ErrorCode::IncomingDecided,
                        "this handshake was taken already",
                    ));
                }
            };
            Ok(Event::ok(call, Aux::Value(0), alpn))
        });
        Ok(())
    }

    /// OK with the connection and its facts.
    #[napi]
    pub fn accepting_finish(&self, call: u32, accepting: u32) -> napi::Result<()> {
        let accepting = self.accepting_of(accepting)?;
        self.core()?.call(call, async move {
            Ok(connected(call, take(&accepting).await?.finish().await?))
        });
        Ok(())
    }

    /// OK with the connection, before its handshake is done.
    #[napi]
    pub fn accepting_early(&self, call: u32, accepting: u32) -> napi::Result<()> {
        let accepting = self.accepting_of(accepting)?;
        self.core()?
            .call(call, async move { Ok(connected(call, take(&accepting).await?.early().await?)) });
        Ok(())
    }
}
