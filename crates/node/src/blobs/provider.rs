//! Faces `ts/blobs/provider.ts`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use gaiwan_base::{EndpointId, Hash};
use gaiwan_blobs::{
    TransferStats,
    proto::RequestKind,
    provider::{Authorize, Event as Happened, EventKind, Events, Provider, ProviderOptions},
};
use gaiwan_endpoint::BoxFuture;
use napi_derive::napi;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::piece::Piece;
use crate::{
    bridge::NativeBridge,
    core::Core,
    error::to_js,
    options::whole,
    queue::{Aux, Event},
    router::Queued,
    table::Object,
};

/// Events that may wait for the JavaScript thread; what comes then is not told.
const WAITING: usize = 16 * 1024;
/// The shortest time between two words about the progress of one request.
const PROGRESS: Duration = Duration::from_millis(50);

/// Settings of a provider; what is null has its default.
#[napi(object)]
pub struct NativeProviderOptions {
    /// Kinds of requests that are served.
    pub allow: Vec<String>,
    /// In all.
    pub max_connections: Option<u32>,
    /// Of one peer.
    pub max_connections_per_peer: Option<u32>,
    /// Of one connection.
    pub max_observers: Option<u32>,
    /// For a whole request.
    pub request_timeout_ms: Option<f64>,
    /// Bytes per second.
    pub max_upload_rate: Option<f64>,
    /// Bytes per second.
    pub max_upload_rate_per_peer: Option<f64>,
    /// Bytes of one push.
    pub max_push_bytes: Option<f64>,
    /// Where questions go: ITEM with a token, remote id, hash and kind.
    pub authorize_sub: Option<u32>,
    /// Where events go: ITEM with JSON.
    pub event_sub: Option<u32>,
}

pub(super) fn kind_name(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Get => "get",
        RequestKind::GetMany => "getMany",
        RequestKind::Observe => "observe",
        RequestKind::Push => "push",
    }
}

fn kind_of(name: &str) -> Option<RequestKind> {
    [RequestKind::Get, RequestKind::GetMany, RequestKind::Observe, RequestKind::Push]
        .into_iter()
        .find(|kind| kind_name(*kind) == name)
}

#[napi]
impl NativeBridge {
    /// The handle of a provider over a store.
    #[napi(catch_unwind)]
    pub fn blobs_provider(&self, store: u32, options: NativeProviderOptions) -> napi::Result<u32> {
        let (core, store) = (self.core()?, self.store_of(store)?.store().map_err(to_js)?);
        let defaults = ProviderOptions::default();
        let millis = |ms: Option<f64>| ms.map(|ms| Duration::from_millis(whole(ms)));
        let count = |n: Option<u32>, default: usize| n.map_or(default, |n| n as usize);
        let settings = ProviderOptions {
            allow: options.allow.iter().filter_map(|name| kind_of(name)).collect(),
            max_connections: count(options.max_connections, defaults.max_connections),
            max_connections_per_peer: count(
                options.max_connections_per_peer,
                defaults.max_connections_per_peer,
            ),
            max_observers: count(options.max_observers, defaults.max_observers),
            request_timeout: millis(options.request_timeout_ms).unwrap_or(defaults.request_timeout),
            max_upload_rate: options.max_upload_rate.map(whole),
            max_upload_rate_per_peer: options.max_upload_rate_per_peer.map(whole),
            max_push_bytes: options.max_push_bytes.map(whole),
            ..defaults
        };
        let authorize = options.authorize_sub.map(|sub| {
            let asks: Arc<dyn Authorize> = Arc::new(JsAuthorize { core: core.clone(), sub });
            asks
        });
        let events = options.event_sub.map(|sub| {
            let tells: Arc<dyn Events> = Arc::new(JsEvents::new(core, sub));
            tells
        });
        let provider = Arc::new(Provider::new(store, settings, authorize, events));
        Ok(self.table_mut().insert(Piece::Provider(provider).object()))
    }

    /// OK once the connection, accepted elsewhere, is served to its end.
    #[napi]
    pub fn blobs_serve(&self, call: u32, provider: u32, connection: u32) -> napi::Result<()> {
        let provider = self.provider_of(provider)?;
        let held = self.connection_of(connection)?;
        self.core()?.call(call, async move {
            provider.serve(held.connection.clone()).await?;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// Serves no more; connections that it has are closed.
    #[napi(catch_unwind)]
    pub fn blobs_stop(&self, provider: u32) -> napi::Result<()> {
        self.provider_of(provider)?.stop();
        Ok(())
    }

    /// Counts by name.
    #[napi(catch_unwind)]
    pub fn blobs_metrics(&self, provider: u32) -> napi::Result<HashMap<String, f64>> {
        let metrics = self.provider_of(provider)?.metrics();
        let all = metrics.all().into_iter();
        #[allow(clippy::cast_precision_loss, reason = "counters stay exact up to 2^53")]
        Ok(all.map(|(name, n)| (name.to_owned(), n as f64)).collect())
    }

    /// The answer to a question; a second one is ignored.
    #[napi]
    pub fn authorized(&self, token: u32, yes: bool) {
        if let Some(Object::Blobs(Piece::Answer(answer))) = self.table_mut().remove(token) {
            // Nobody waits any more if it came too late.
            let _ = answer.send(yes);
        }
    }
}

/// Asks JavaScript who may ask for what.
struct JsAuthorize {
    core: Arc<Core>,
    sub: u32,
}

impl Authorize for JsAuthorize {
    fn authorize(&self, remote: EndpointId, hash: Hash, kind: RequestKind) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            let (sender, answer) = oneshot::channel();
            let facts = json!({ "remoteId": remote.to_hex(), "hash": hash.to_hex(), "request": kind_name(kind) });
            let aux = Aux::Object(Piece::Answer(sender).object());
            self.core.push(Event::item(self.sub, aux, facts.to_string()));
            // No answer comes when the environment is gone; the provider limits how long it waits.
            answer.await.unwrap_or(false)
        })
    }
}

/// Tells JavaScript what happens, and nothing that it can't keep up with.
struct JsEvents {
    core: Arc<Core>,
    sub: u32,
    waiting: Arc<AtomicUsize>,
    /// When the progress of a request was told last.
    told: Mutex<HashMap<(u64, u64), Instant>>,
}

impl JsEvents {
    fn new(core: &Arc<Core>, sub: u32) -> Self {
        Self { core: core.clone(), sub, waiting: Arc::default(), told: Mutex::default() }
    }

    fn is_due(&self, connection: u64, kind: &EventKind) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            EventKind::Progress { request, .. } => {
                let now = Instant::now();
                let last = told.insert((connection, *request), now);
                let due = last.is_none_or(|last| now.duration_since(last) >= PROGRESS);
                if let (false, Some(last)) = (due, last) {
                    told.insert((connection, *request), last);
                }
                due
            }
            EventKind::Completed { request, .. } | EventKind::Aborted { request, .. } => {
                told.remove(&(connection, *request));
                true
            }
            EventKind::Disconnected => {
                told.retain(|(known, _), _| *known != connection);
                true
            }
            _ => true,
        }
    }
}

impl Events for JsEvents {
    fn event(&self, event: Happened) {
        if !self.is_due(event.connection, &event.kind) || self.waiting.load(Relaxed) >= WAITING {
            return;
        }
        let aux = Aux::Counted(Queued::new(&self.waiting));
        self.core.push(Event::item(self.sub, aux, to_json(&event).to_string()));
    }
}

fn to_json(event: &Happened) -> Value {
    let mut value = match &event.kind {
        EventKind::Connected => json!({ "type": "connected" }),
        EventKind::Disconnected => json!({ "type": "disconnected" }),
        EventKind::Request { request, kind, hash } => json!({
            "type": "request", "requestId": request, "request": kind_name(*kind), "hash": hash.to_hex(),
        }),
        EventKind::Started { request, index, hash, size } => json!({
            "type": "started", "requestId": request, "index": index, "hash": hash.to_hex(), "size": size,
        }),
        EventKind::Progress { request, index, end_offset } => json!({
            "type": "progress", "requestId": request, "index": index, "endOffset": end_offset,
        }),
        EventKind::Completed { request, stats } => {
            json!({ "type": "completed", "requestId": request, "stats": stats_json(stats) })
        }
        EventKind::Aborted { request, stats } => {
            json!({ "type": "aborted", "requestId": request, "stats": stats_json(stats) })
        }
    };
    value["connectionId"] = event.connection.into();
    value["remoteId"] = event.remote.to_hex().into();
    value
}

pub(super) fn stats_json(stats: &TransferStats) -> Value {
    json!({
        "payloadBytesRead": stats.payload_bytes_read,
        "payloadBytesWritten": stats.payload_bytes_written,
        "otherBytesRead": stats.other_bytes_read,
        "otherBytesWritten": stats.other_bytes_written,
        "elapsedMs": stats.elapsed.as_secs_f64() * 1e3,
    })
}
