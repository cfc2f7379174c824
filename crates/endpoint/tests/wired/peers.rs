//! Endpoints and connections for the other files.

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use gaiwan_base::{ErrorCode, SecretKey};
use gaiwan_endpoint::{
    BindAddr, Connection, DialOptions, Endpoint, EndpointOptions, Failure, TransportOptions,
};

/// What the tests speak when the name does not matter.
pub const ALPN: &[u8] = b"gaiwan-test/0";

/// Runs a test on two threads; what takes three minutes hangs, however busy the machine is.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(180), test).await.expect("the test hangs");
    });
    runtime.shutdown_background();
}

/// A list of ALPNs.
pub fn alpns(list: &[&'static [u8]]) -> Vec<Bytes> {
    list.iter().copied().map(Bytes::from_static).collect()
}

/// One required socket on 127.0.0.1 that speaks [`ALPN`].
pub fn options() -> EndpointOptions {
    EndpointOptions {
        bind: vec![BindAddr { address: ([127, 0, 0, 1], 0).into(), required: true }],
        alpns: alpns(&[ALPN]),
        ..EndpointOptions::default()
    }
}

/// An endpoint with a fresh key.
pub fn bind(options: EndpointOptions) -> Endpoint {
    Endpoint::bind(&SecretKey::generate(), options).expect("the endpoint binds")
}

/// The address of its first socket.
pub fn address(endpoint: &Endpoint) -> SocketAddr {
    endpoint.sockets()[0].address
}

/// Dials with [`ALPN`].
pub async fn dial(from: &Endpoint, to: &Endpoint) -> Result<Connection, Failure> {
    dial_with(from, to, &[ALPN], DialOptions::default()).await
}

/// Dials the first address of `to`.
pub async fn dial_with(
    from: &Endpoint,
    to: &Endpoint,
    list: &[&'static [u8]],
    options: DialOptions,
) -> Result<Connection, Failure> {
    from.connect(to.id(), &[address(to)], &alpns(list), options).await
}

/// Options of a dial whose first packet is sent once, unless the machine stalls for 9 s: for those who count attempts.
pub fn patient() -> DialOptions {
    let initial_rtt = Some(Duration::from_secs(3));
    let transport = Some(TransportOptions { initial_rtt, ..TransportOptions::default() });
    DialOptions { timeout: Some(Duration::from_secs(60)), transport, early: false }
}

/// Dials with [`ALPN`], [`patient`].
pub async fn dial_once(from: &Endpoint, to: &Endpoint) -> Result<Connection, Failure> {
    dial_with(from, to, &[ALPN], patient()).await
}

/// Takes the next attempt and finishes its handshake.
pub async fn accept(endpoint: &Endpoint) -> Result<Connection, Failure> {
    let incoming = endpoint.accept().await.expect("the endpoint is open");
    incoming.accept(DialOptions::default())?.finish().await
}

/// Two endpoints and both ends of their connection.
pub struct Pair {
    pub dialer: Endpoint,
    pub acceptor: Endpoint,
    pub client: Connection,
    pub server: Connection,
}

pub async fn pair() -> Pair {
    pair_of(bind(options()), bind(options())).await
}

pub async fn pair_of(dialer: Endpoint, acceptor: Endpoint) -> Pair {
    let (client, server) = tokio::join!(dial(&dialer, &acceptor), accept(&acceptor));
    let (client, server) =
        (client.expect("the dial succeeds"), server.expect("the handshake ends"));
    Pair { dialer, acceptor, client, server }
}

/// A pair whose connections have these transports.
pub async fn pair_with(dialer: TransportOptions, acceptor: TransportOptions) -> Pair {
    let with = |transport| bind(EndpointOptions { transport, ..options() });
    pair_of(with(dialer), with(acceptor)).await
}

/// Sends `data` on a bi stream and reads what comes back.
pub async fn ask(connection: &Connection, data: &[u8]) -> Result<Vec<u8>, Failure> {
    let (mut send, mut recv) =
        connection.quinn().open_bi().await.map_err(|error| Failure::connection(&error))?;
    let write = async {
        send.write_all(data).await.map_err(|error| Failure::write(&error))?;
        send.finish().map_err(|_| Failure::stream_closed())
    };
    let read = async {
        let mut all = Vec::with_capacity(data.len());
        while let Some(chunk) =
            recv.read_chunk(usize::MAX, true).await.map_err(|error| Failure::read(&error))?
        {
            all.extend_from_slice(&chunk.bytes);
        }
        Ok(all)
    };
    tokio::try_join!(write, read).map(|((), all)| all)
}

/// Echoes all bi streams, one task each, until the connection ends.
pub async fn echo(connection: Connection) {
    while let Ok((mut send, mut recv)) = connection.quinn().accept_bi().await {
        tokio::spawn(async move {
            while let Ok(Some(chunk)) = recv.read_chunk(usize::MAX, true).await {
                if send.write_chunk(chunk.bytes).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Accepts and echoes until the endpoint is closed, each attempt in a task of its own.
pub fn serve_echo(endpoint: &Endpoint) {
    let endpoint = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(async move {
                if let Ok(accepting) = incoming.accept(DialOptions::default())
                    && let Ok(connection) = accepting.finish().await
                {
                    echo(connection).await;
                }
            });
        }
    });
}

/// One of the endpoint's metrics.
pub fn metric(endpoint: &Endpoint, name: &str) -> u64 {
    let all = endpoint.metrics();
    all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).expect("a known metric")
}

/// The code of an expected failure.
pub fn code<T>(result: Result<T, Failure>) -> ErrorCode {
    result.err().expect("a failure").code
}

/// Waits until `done` says so; for states that have no event, such as a counter in another task.
pub async fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// SplitMix64: numbers that a printed seed gives again.
pub struct Random(pub u64);

impl Random {
    /// A seed of the environment variable `GAIWAN_SEED`, else of the clock; printed, for a failure to be repeated.
    pub fn from_env() -> Self {
        let clock = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64);
        let given = std::env::var("GAIWAN_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(clock);
        println!("GAIWAN_SEED={seed}");
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
