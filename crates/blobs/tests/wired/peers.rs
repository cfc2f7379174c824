//! Endpoints, stores and connections for the other files.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use gaiwan_base::{Hash, SecretKey};
use gaiwan_blobs::{
    proto::{ALPN, Collection, EncodedCollection},
    provider::{Authorize, Event, EventKind, Events, Provider, ProviderOptions},
    store::{Store, StoreOptions},
};
use gaiwan_endpoint::{
    BindAddr, Connection, DialOptions, Endpoint, EndpointOptions, ProtocolHandler, Router,
    TransportOptions,
};
use quinn::RecvStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What nothing takes here, not even on a machine that stalls: such a limit only ends what hangs.
pub const LONG: Duration = Duration::from_secs(120);

/// Runs a test on two threads; what takes ten minutes hangs, however busy the machine is.
pub fn run(test: impl Future<Output = ()>) {
    run_on(tokio::runtime::Builder::new_multi_thread().worker_threads(2), test);
}

/// The same on a runtime of the test's own.
pub fn run_on(builder: &mut tokio::runtime::Builder, test: impl Future<Output = ()>) {
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(5 * LONG, test).await.expect("the test hangs");
    });
    runtime.shutdown_background();
}

/// Byte i is i mod 251.
pub fn pattern(size: u64) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

pub fn memory() -> Store {
    Store::memory(StoreOptions::default()).expect("a store")
}

/// Adds bytes that nothing holds but the test's lack of collections.
pub fn add(store: &Store, bytes: impl Into<Bytes>) -> Hash {
    store.import_bytes(bytes.into()).expect("the import").hash
}

/// Stores a collection of named bytes; its hash.
pub fn add_collection(store: &Store, files: &[(&str, Vec<u8>)]) -> Hash {
    let entries = files.iter().map(|(name, bytes)| ((*name).to_owned(), add(store, bytes.clone())));
    let collection = Collection::new(entries);
    let EncodedCollection { meta, hash_seq, hash, .. } = collection.encode().expect("it encodes");
    add(store, meta);
    assert_eq!(add(store, hash_seq), hash);
    hash
}

/// An endpoint on the loopback interface, which gives nobody up because the machine stalls.
pub fn bind(transport: TransportOptions) -> Endpoint {
    let idle_timeout = transport.idle_timeout.or(Some(LONG));
    let options = EndpointOptions {
        bind: vec![BindAddr { address: ([127, 0, 0, 1], 0).into(), required: true }],
        transport: TransportOptions { idle_timeout, ..transport },
        handshake_timeout: LONG,
        ..EndpointOptions::default()
    };
    Endpoint::bind(&SecretKey::generate(), options).expect("the endpoint binds")
}

/// Connects `dialer` to whoever speaks of blobs at `endpoint`.
pub async fn dial(dialer: &Endpoint, endpoint: &Endpoint) -> Connection {
    let (address, alpns) = (endpoint.sockets()[0].address, [Bytes::from_static(ALPN)]);
    let dialed = dialer.connect(endpoint.id(), &[address], &alpns, DialOptions::default()).await;
    dialed.expect("the dial")
}

/// A handler behind a router, and its endpoint.
pub fn route(handler: Arc<dyn ProtocolHandler>, transport: TransportOptions) -> (Endpoint, Router) {
    let endpoint = bind(transport);
    let alpns = vec![Bytes::from_static(ALPN)];
    let router = Router::builder(endpoint.clone()).accept(alpns, handler);
    (endpoint, router.spawn().expect("the router"))
}

/// A provider over a store and a connection to it.
pub struct Served {
    pub provider: Arc<Provider>,
    pub router: Router,
    pub endpoint: Endpoint,
    pub dialer: Endpoint,
    pub connection: Connection,
}

impl Served {
    /// One more connection of the same peer.
    pub async fn dial(&self) -> Connection {
        dial(&self.dialer, &self.endpoint).await
    }

    /// A connection of another peer.
    pub async fn stranger(&self) -> (Endpoint, Connection) {
        let dialer = bind(TransportOptions::default());
        let connection = dial(&dialer, &self.endpoint).await;
        (dialer, connection)
    }

    /// A count of the provider.
    pub fn count(&self, name: &str) -> u64 {
        let all = self.provider.metrics().all();
        all.into_iter().find(|(known, _)| *known == name).expect("a metric of that name").1
    }
}

/// Those of a provider that gives a request all the time it takes to come.
pub fn patient() -> ProviderOptions {
    ProviderOptions { request_timeout: LONG, ..ProviderOptions::default() }
}

pub async fn serve(store: &Store) -> Served {
    serve_with(store, patient(), None).await
}

pub async fn serve_with(
    store: &Store,
    options: ProviderOptions,
    authorize: Option<Arc<dyn Authorize>>,
) -> Served {
    serve_heard(store, options, authorize, None).await
}

pub async fn serve_heard(
    store: &Store,
    options: ProviderOptions,
    authorize: Option<Arc<dyn Authorize>>,
    events: Option<Arc<dyn Events>>,
) -> Served {
    let provider = Arc::new(Provider::new(store.clone(), options, authorize, events));
    let (endpoint, router) = route(provider.clone(), TransportOptions::default());
    let dialer = bind(TransportOptions::default());
    let connection = dial(&dialer, &endpoint).await;
    Served { provider, router, endpoint, dialer, connection }
}

/// What a provider tells, in order.
pub struct Heard(UnboundedReceiver<Event>);

impl Heard {
    pub fn new() -> (Arc<dyn Events>, Self) {
        let (sender, receiver) = unbounded_channel();
        (Arc::new(Teller(sender)), Self(receiver))
    }

    /// The next event that is wanted; those before it are dropped.
    pub async fn until(&mut self, wanted: impl Fn(&EventKind) -> bool) -> EventKind {
        loop {
            let event = self.0.recv().await.expect("the provider lives");
            if wanted(&event.kind) {
                return event.kind;
            }
        }
    }

    /// Waits for so many that are wanted.
    pub async fn count(&mut self, count: usize, wanted: impl Fn(&EventKind) -> bool) {
        for _ in 0..count {
            self.until(&wanted).await;
        }
    }
}

struct Teller(UnboundedSender<Event>);

impl Events for Teller {
    fn event(&self, event: Event) {
        // The test may be over.
        let _ = self.0.send(event);
    }
}

/// Sends `request` and FIN on a new stream; the bytes that came, and the reset code if one came.
pub async fn ask(connection: &Connection, request: &[u8]) -> (Vec<u8>, Option<u64>) {
    let mut recv = open(connection, request).await;
    read(&mut recv).await
}

/// Sends `request` and FIN on a new stream, and reads nothing.
pub async fn open(connection: &Connection, request: &[u8]) -> RecvStream {
    let (mut send, recv) = connection.quinn().open_bi().await.expect("a stream");
    // The provider may stop reading before all is written.
    let _ = send.write_all(request).await;
    let _ = send.finish();
    recv
}

/// The bytes that come, and the reset code if one comes.
pub async fn read(recv: &mut RecvStream) -> (Vec<u8>, Option<u64>) {
    let mut all = Vec::new();
    loop {
        match recv.read_chunk(usize::MAX, true).await {
            Ok(Some(chunk)) => all.extend_from_slice(&chunk.bytes),
            Ok(None) => return (all, None),
            Err(quinn::ReadError::Reset(code)) => return (all, Some(code.into_inner())),
            Err(error) => panic!("the stream is lost: {error}"),
        }
    }
}
