//! A provider that does what a test tells it.

use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use gaiwan_blobs::{
    Received, TransferStats,
    getter::{GetOptions, get},
    proto::{MAX_MESSAGE_BYTES, Request},
    store::Store,
};
use gaiwan_endpoint::{
    BoxFuture, Connection, Endpoint, Failure, ProtocolHandler, Router, TransportOptions,
};
use quinn::{SendStream, VarInt};

use crate::peers::{bind, dial, route};

type Answer = dyn Fn(Request, SendStream) -> BoxFuture<'static, ()> + Send + Sync;

/// Answers every request with a script.
struct Script(Arc<Answer>);

impl ProtocolHandler for Script {
    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            while let Ok((send, mut recv)) = connection.quinn().accept_bi().await {
                let answer = self.0.clone();
                tokio::spawn(async move {
                    let Ok(bytes) = recv.read_to_end(MAX_MESSAGE_BYTES + 1).await else { return };
                    let request = Request::decode(&bytes).expect("our getter sends requests");
                    answer(request, send).await;
                });
            }
            Ok(())
        })
    }
}

/// A provider that lies, and a connection to it.
pub struct Liar {
    _router: Router,
    _endpoint: Endpoint,
    _dialer: Endpoint,
    pub connection: Connection,
}

/// A provider that answers as `script` says. The stream that a script is given ends with it, by FIN unless it says otherwise.
pub async fn liar<F>(script: impl Fn(Request, SendStream) -> F + Send + Sync + 'static) -> Liar
where
    F: Future<Output = ()> + Send + 'static,
{
    let usual = TransportOptions::default;
    liar_over(usual(), usual(), script).await
}

/// The same, with settings of its own and of who dials it.
pub async fn liar_over<F>(
    transport: TransportOptions,
    dialer: TransportOptions,
    script: impl Fn(Request, SendStream) -> F + Send + Sync + 'static,
) -> Liar
where
    F: Future<Output = ()> + Send + 'static,
{
    let script: Arc<Answer> = Arc::new(move |request, send| Box::pin(script(request, send)));
    let (endpoint, router) = route(Arc::new(Script(script)), transport);
    let dialer = bind(dialer);
    let connection = dial(&dialer, &endpoint).await;
    Liar { _router: router, _endpoint: endpoint, _dialer: dialer, connection }
}

/// Sends the same bytes whatever is asked.
pub async fn says(bytes: Vec<u8>) -> Liar {
    liar(move |_, send| say(send, bytes.clone(), None)).await
}

/// Says what it was taught last, for tests of many lies.
pub struct Parrot {
    words: Arc<Mutex<(Vec<u8>, Option<u32>)>>,
    liar: Liar,
}

impl Parrot {
    pub async fn new() -> Self {
        let words = Arc::new(Mutex::new((Vec::new(), None)));
        let shared = words.clone();
        let liar = liar(move |_, send| {
            let (bytes, reset) = shared.lock().unwrap().clone();
            say(send, bytes, reset)
        });
        Self { words, liar: liar.await }
    }

    /// A connection to it, after it has learned to say `bytes`.
    pub fn says(&self, bytes: Vec<u8>) -> &Connection {
        self.ends(bytes, None)
    }

    /// The same with an end by a reset.
    pub fn ends(&self, bytes: Vec<u8>, reset: Option<u32>) -> &Connection {
        *self.words.lock().unwrap() = (bytes, reset);
        &self.liar.connection
    }
}

/// Sends bytes, then FIN or a reset with a code. Who does not want all of it is no concern.
pub async fn say(mut send: SendStream, bytes: Vec<u8>, reset: Option<u32>) {
    if send.write_all(&bytes).await.is_ok() {
        match reset {
            None => drop(send.finish()),
            Some(code) => drop(send.reset(VarInt::from_u32(code))),
        }
    }
}

/// One request, with every event.
pub async fn fetch(
    connection: &Connection,
    store: &Store,
    request: &Request,
    options: GetOptions,
) -> (Vec<Received>, TransferStats, Result<(), Failure>) {
    let mut heard = Vec::new();
    let (stats, result) =
        get(connection, store, request, options, &mut |event| heard.push(event)).await;
    (heard, stats, result)
}
