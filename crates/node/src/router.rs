//! Faces `ts/router/router.ts`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use gaiwan_endpoint::{
    Accepting, BoxFuture, Connection, Endpoint, Failure, Incoming, IncomingFilter, ProtocolHandler,
    Router,
};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use serde_json::json;
use tokio::sync::{Mutex, oneshot};

use crate::{
    blobs,
    bridge::NativeBridge,
    connection::{Held, facts},
    core::Core,
    error::{stale, to_js},
    gossip,
    incoming::incoming_facts,
    options,
    queue::{Aux, Event},
    table::Object,
};

/// Connections that may wait for the JavaScript thread; while full, attempts are refused before their handshake.
const QUEUE: usize = 128;

const ASK: u32 = 1;
const CONNECTION: u32 = 2;
const ACCEPTING: u32 = 3;
const SHUTDOWN: u32 = 4;

/// One more in a queue, until JavaScript has it.
pub struct Queued(Arc<AtomicUsize>);

impl Queued {
    /// Until it is dropped `count` is one more.
    pub fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count.clone())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// ALPNs of one handler.
#[napi(object, object_to_js = false)]
pub struct NativeRoute {
    /// In order of preference.
    pub alpns: Vec<Uint8Array>,
    /// Whether the handler takes part in handshakes.
    pub accepting: bool,
    /// The handle of a native handler, which gets its connections without JavaScript.
    pub native: Option<u32>,
}

#[napi]
impl NativeBridge {
    /// Sets the endpoint's ALPNs and starts; the handle of the router.
    #[napi(catch_unwind)]
    pub fn spawn_router(
        &self,
        endpoint: u32,
        sub: u32,
        routes: Vec<NativeRoute>,
        ask: bool,
    ) -> napi::Result<u32> {
        let core = self.core()?;
        let endpoint = self.endpoint_of(endpoint)?;
        let queued = Arc::new(AtomicUsize::new(0));
        let mut builder = Router::builder(endpoint.clone());
        for (route, NativeRoute { alpns, accepting, native }) in (0..).zip(routes) {
            let handler: Arc<dyn ProtocolHandler> = match native {
                Some(handle) => self.handler_of(handle)?,
                None => {
                    let (core, queued) = (core.clone(), queued.clone());
                    Arc::new(JsHandler { core, sub, route, accepting, queued })
                }
            };
            builder = builder.accept(options::alpns(&alpns), handler);
        }
        if ask {
            builder =
                builder.filter(Arc::new(JsFilter { core: core.clone(), endpoint, sub, queued }));
        }
        let router = core.enter(|| builder.spawn()).map_err(to_js)?;
        Ok(self.table_mut().insert(Object::Router(router)))
    }

    /// A handler, or its shutdown, is done.
    #[napi]
    pub fn settle(&self, token: u32) {
        if let Some(Object::Token(token)) = self.table_mut().remove(token) {
            // The router may have given up waiting.
            let _ = token.send(());
        }
    }

    /// OK once everything is shut down.
    #[napi]
    pub fn shutdown_router(&self, call: u32, router: u32) -> napi::Result<()> {
        let router = self.table().router(router).cloned().ok_or_else(|| stale("router"))?;
        self.core()?.call(call, async move {
            router.shutdown().await;
            Ok(Event::done(call))
        });
        Ok(())
    }
}

impl NativeBridge {
    /// What a handle stands for, as a handler.
    fn handler_of(&self, handle: u32) -> napi::Result<Arc<dyn ProtocolHandler>> {
        match (self.table().piece(handle), self.table().gossip(handle)) {
            (Some(blobs::Piece::Provider(provider)), _) => Ok(provider.clone()),
            (_, Some(gossip::Piece::Gossip(gossip))) => Ok(Arc::new(gossip.clone())),
            _ => Err(stale("handler")),
        }
    }
}

/// A handler written in JavaScript.
struct JsHandler {
    core: Arc<Core>,
    sub: u32,
    route: u32,
    accepting: bool,
    queued: Arc<AtomicUsize>,
}

impl JsHandler {
    /// Hands something over and waits until JavaScript is done with it.
    async fn give(&self, kind: u32, object: Option<Object>, body: Bytes) {
        let (sender, settled) = oneshot::channel();
        let aux = Aux::Routed {
            kind,
            route: self.route,
            object,
            token: Some(Object::Token(sender)),
            queued: Some(Queued::new(&self.queued)),
        };
        self.core.push(Event::item(self.sub, aux, body));
        self.core.look();
        // An error says that the environment is gone, and then so is the handler.
        let _ = settled.await;
    }
}

impl ProtocolHandler for JsHandler {
    fn ready(&self) -> bool {
        self.queued.load(Relaxed) < QUEUE
    }

    fn on_accepting(
        &self,
        accepting: Accepting,
    ) -> BoxFuture<'_, Result<Option<Connection>, Failure>> {
        Box::pin(async move {
            if !self.accepting {
                return accepting.finish().await.map(Some);
            }
            let body =
                json!({ "remoteAddress": accepting.remote_address().to_string() }).to_string();
            let object = Object::Accepting(Arc::new(Mutex::new(Some(accepting))));
            self.give(ACCEPTING, Some(object), body.into()).await;
            Ok(None)
        })
    }

    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let body = facts(&connection);
            self.give(CONNECTION, Some(Object::Connection(Held::new(connection))), body).await;
            Ok(())
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.give(SHUTDOWN, None, Bytes::new()))
    }
}

/// Asks JavaScript about each attempt.
struct JsFilter {
    core: Arc<Core>,
    endpoint: Endpoint,
    sub: u32,
    queued: Arc<AtomicUsize>,
}

impl IncomingFilter for JsFilter {
    fn filter(&self, incoming: Incoming) -> BoxFuture<'_, Option<Incoming>> {
        Box::pin(async move {
            let body = incoming_facts(&incoming, &self.endpoint);
            let (back, answer) = oneshot::channel();
            let aux = Aux::Routed {
                kind: ASK,
                route: 0,
                object: Some(Object::Incoming { incoming, back: Some(back) }),
                token: None,
                queued: Some(Queued::new(&self.queued)),
            };
            self.core.push(Event::item(self.sub, aux, body));
            answer.await.ok().flatten()
        })
    }
}
