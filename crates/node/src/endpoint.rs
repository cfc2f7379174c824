//! Faces `ts/endpoint/endpoint.ts`.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::{AfterHandshake, BoxFuture, Endpoint, Failure, HandshakeInfo, Verdict};
use napi::bindgen_prelude::{BigInt, Uint8Array};
use napi_derive::napi;
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    bridge::NativeBridge,
    connection::connected,
    core::Core,
    error::to_js,
    incoming::incoming_facts,
    key::NativeSecretKey,
    options::{self, NativeConnectOptions, NativeEndpointOptions},
    queue::{Aux, Event},
    runtime,
    table::Object,
};

/// What this addon is.
#[napi(object)]
pub struct NativeInfo {
    /// Of the addon.
    pub version: String,
    /// Of quinn.
    pub quinn: String,
    /// Of rustls.
    pub rustls: String,
    /// Rust target.
    pub target: String,
    /// Threads of the runtime.
    pub workers: u32,
}

/// Versions of the addon and of what it stands on.
#[napi]
pub fn native_info() -> NativeInfo {
    NativeInfo {
        version: env!("CARGO_PKG_VERSION").into(),
        quinn: env!("GAIWAN_QUINN").into(),
        rustls: env!("GAIWAN_RUSTLS").into(),
        target: env!("GAIWAN_TARGET").into(),
        workers: u32::try_from(runtime::workers()).unwrap_or(u32::MAX),
    }
}

/// An address of a peer.
#[napi(object)]
pub struct NativeRemoteAddress {
    /// `ip:port`.
    pub address: String,
    /// `active` or `inactive`.
    pub usage: String,
}

/// Whom to dial.
#[napi(object)]
pub struct NativeDialable {
    /// Hex.
    pub id: String,
    /// `ip:port` each, in order of preference.
    pub addresses: Vec<String>,
}

fn sockets(endpoint: &Endpoint) -> Bytes {
    let sockets = endpoint.sockets();
    let addresses: Vec<String> = sockets.iter().map(|socket| socket.address.to_string()).collect();
    let details: Vec<_> = sockets
        .iter()
        .map(|socket| {
            json!({
                "address": socket.address.to_string(),
                "receiveBuffer": socket.receive_buffer,
                "sendBuffer": socket.send_buffer,
                "maxSegments": socket.max_segments,
            })
        })
        .collect();
    json!({ "boundAddresses": addresses, "sockets": details }).to_string().into()
}

#[napi]
impl NativeBridge {
    /// OK with the endpoint and its addresses.
    #[napi]
    pub fn bind(
        &self,
        call: u32,
        key: &NativeSecretKey,
        options: NativeEndpointOptions,
    ) -> napi::Result<()> {
        let core = self.core()?;
        let (options, hook) = options::endpoint(options)?;
        let key = key.key().clone();
        let shared = core.clone();
        core.call(call, async move {
            let endpoint = Endpoint::bind(&key, options)?;
            if let Some(sub) = hook {
                endpoint.set_hook(Arc::new(JsHook { core: shared, sub }));
            }
            let body = sockets(&endpoint);
            Ok(Event::ok(call, Aux::Object(Object::Endpoint(endpoint)), body))
        });
        Ok(())
    }

    /// OK with the connection and its facts.
    #[napi]
    pub fn connect(
        &self,
        call: u32,
        endpoint: u32,
        to: NativeDialable,
        alpns: Vec<Uint8Array>,
        options: NativeConnectOptions,
    ) -> napi::Result<()> {
        let endpoint = self.endpoint_of(endpoint)?;
        let id = EndpointId::parse(&to.id)
            .map_err(|error| napi::Error::from_reason(error.to_string()))?;
        let alpns = options::alpns(&alpns);
        let addresses: Vec<SocketAddr> =
            to.addresses.iter().filter_map(|text| text.parse().ok()).collect();
        self.core()?.call(call, async move {
            if addresses.is_empty() {
                return Err(Failure::new(
                    ErrorCode::NoAddress,
                    "no address of the endpoint is known",
                ));
            }
            let connection = endpoint.connect(id, &addresses, &alpns, options.into()).await?;
            Ok(connected(call, connection))
        });
        Ok(())
    }

    /// OK with the next attempt, or with 0 once the endpoint is closed.
    #[napi]
    pub fn next_incoming(&self, call: u32, endpoint: u32) -> napi::Result<()> {
        let endpoint = self.endpoint_of(endpoint)?;
        self.core()?.call(call, async move {
            Ok(match endpoint.accept().await {
                Some(incoming) => {
                    let facts = incoming_facts(&incoming, &endpoint);
                    Event::ok(call, Aux::Object(Object::Incoming { incoming, back: None }), facts)
                }
                None => Event::done(call),
            })
        });
        Ok(())
    }

    /// For later attempts.
    #[napi(catch_unwind)]
    pub fn set_alpns(&self, endpoint: u32, alpns: Vec<Uint8Array>) -> napi::Result<()> {
        self.endpoint_of(endpoint)?.set_alpns(&options::alpns(&alpns)).map_err(to_js)
    }

    /// Counters and gauges by name.
    #[napi(catch_unwind)]
    pub fn metrics(&self, endpoint: u32) -> napi::Result<HashMap<String, f64>> {
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53, as documented")]
        let mut metrics: HashMap<String, f64> = self
            .endpoint_of(endpoint)?
            .metrics()
            .into_iter()
            .map(|(name, n)| (name.to_owned(), n as f64))
            .collect();
        let handles = u32::try_from(self.table().len()).unwrap_or(u32::MAX);
        metrics.insert("bridge_handles".into(), handles.into());
        Ok(metrics)
    }

    /// Null for a stranger.
    #[napi(catch_unwind)]
    pub fn remote_info(
        &self,
        endpoint: u32,
        id: String,
    ) -> napi::Result<Option<Vec<NativeRemoteAddress>>> {
        let id =
            EndpointId::parse(&id).map_err(|error| napi::Error::from_reason(error.to_string()))?;
        let known = self.endpoint_of(endpoint)?.known_addresses(&id);
        Ok(known.map(|known| {
            known
                .into_iter()
                .map(|known| NativeRemoteAddress {
                    address: known.address.to_string(),
                    usage: if known.active { "active" } else { "inactive" }.into(),
                })
                .collect()
        }))
    }

    /// OK with the new addresses.
    #[napi]
    pub fn rebind(&self, call: u32, endpoint: u32) -> napi::Result<()> {
        let endpoint = self.endpoint_of(endpoint)?;
        self.core()?.call(call, async move {
            endpoint.rebind()?;
            Ok(Event::ok(call, Aux::Value(0), sockets(&endpoint)))
        });
        Ok(())
    }

    /// OK once the peers were told, or after the close timeout.
    #[napi]
    pub fn close_endpoint(&self, call: u32, endpoint: u32) -> napi::Result<()> {
        let endpoint = self.endpoint_of(endpoint)?;
        self.core()?.call(call, async move {
            endpoint.close().await;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// Answers a hook's question; a second answer is ignored.
    #[napi]
    pub fn verdict(&self, token: u32, ok: bool, code: BigInt, reason: String) {
        if let Some(Object::Verdict(answer)) = self.table_mut().remove(token) {
            let verdict =
                if ok { Verdict::Allow } else { Verdict::Close { code: code.get_u64().1, reason } };
            // Nobody waits any more if the hook was too slow.
            let _ = answer.send(verdict);
        }
    }
}

/// Asks JavaScript about a finished handshake.
struct JsHook {
    core: Arc<Core>,
    sub: u32,
}

impl AfterHandshake for JsHook {
    fn after_handshake(&self, info: HandshakeInfo) -> BoxFuture<'_, Verdict> {
        Box::pin(async move {
            let (sender, receiver) = oneshot::channel();
            let facts = json!({
                "remoteId": info.remote_id.to_hex(),
                "alpn": String::from_utf8_lossy(&info.alpn),
                "side": info.side.as_str(),
                "remoteAddress": info.remote_address.to_string(),
            });
            let aux = Aux::Object(Object::Verdict(sender));
            self.core.push(Event::item(self.sub, aux, facts.to_string()));
            // No answer comes when the environment is gone; the endpoint limits how long it waits.
            receiver.await.unwrap_or(Verdict::Close { code: 0, reason: String::new() })
        })
    }
}
