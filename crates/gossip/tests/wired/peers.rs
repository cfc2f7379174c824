//! Nodes of a swarm for the other files.

use std::{collections::VecDeque, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gaiwan_base::{EndpointId, ErrorCode, SecretKey};
use gaiwan_endpoint::{BindAddr, Endpoint, EndpointOptions, Failure, Router, TransportOptions};
use gaiwan_gossip::{
    ALPN, DownReason, Event, Gossip, GossipOptions, Scope, TopicId, TopicReceiver, TopicSender,
};

pub const TOPIC: TopicId = TopicId([7; 32]);
pub const OTHER: TopicId = TopicId([8; 32]);

/// Runs a test on two threads; what takes two minutes hangs, however busy the machine is.
pub fn run(test: impl Future<Output = ()>) {
    run_within(Duration::from_secs(120), test);
}

/// The same for what has more to do.
pub fn run_within(limit: Duration, test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(limit, test).await.expect("the test hangs");
    });
    runtime.shutdown_background();
}

/// An endpoint on the loopback interface.
pub fn bind(key: &SecretKey, port: u16) -> Endpoint {
    bind_with(key, port, TransportOptions::default())
}

/// The same with QUIC settings.
pub fn bind_with(key: &SecretKey, port: u16, transport: TransportOptions) -> Endpoint {
    try_bind(key, port, transport).expect("the endpoint binds")
}

/// The same on a port that somebody is about to give up.
pub async fn bind_again(key: &SecretKey, port: u16) -> Endpoint {
    loop {
        match try_bind(key, port, TransportOptions::default()) {
            Ok(endpoint) => return endpoint,
            Err(failure) => assert_eq!(failure.code, ErrorCode::BindFailed),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn try_bind(key: &SecretKey, port: u16, transport: TransportOptions) -> Result<Endpoint, Failure> {
    let options = EndpointOptions {
        bind: vec![BindAddr { address: ([127, 0, 0, 1], port).into(), required: true }],
        alpns: vec![Bytes::from_static(ALPN)],
        transport,
        ..EndpointOptions::default()
    };
    Endpoint::bind(key, options)
}

/// A gossip instance behind a router.
pub struct Node {
    pub endpoint: Endpoint,
    pub gossip: Gossip,
    _router: Router,
}

impl Node {
    pub fn new() -> Self {
        Self::with(GossipOptions::default())
    }

    pub fn with(options: GossipOptions) -> Self {
        Self::on(bind(&SecretKey::generate(), 0), options)
    }

    pub fn on(endpoint: Endpoint, options: GossipOptions) -> Self {
        let alpns = vec![options.alpn.clone()];
        let gossip = Gossip::new(endpoint.clone(), options).expect("an instance");
        gossip.announce(None, vec![address(&endpoint)]);
        let router = Router::builder(endpoint.clone()).accept(alpns, Arc::new(gossip.clone()));
        Self { _router: router.spawn().expect("the router"), endpoint, gossip }
    }

    pub fn id(&self) -> EndpointId {
        self.endpoint.id()
    }

    /// Tells this node where another endpoint is.
    pub fn learn(&self, other: &Endpoint) {
        self.gossip.learn(other.id(), &[address(other)]);
    }

    pub fn subscribe(&self, topic: TopicId, bootstrap: &[&Endpoint]) -> Member {
        bootstrap.iter().for_each(|other| self.learn(other));
        let ids: Vec<_> = bootstrap.iter().map(|other| other.id()).collect();
        let halves = self.gossip.subscribe(topic, &ids, 2048).expect("a subscription");
        Member { sender: halves.0, receiver: halves.1, pending: VecDeque::new() }
    }

    pub fn count(&self, name: &str) -> u64 {
        let all = self.gossip.metrics();
        all.into_iter().find(|(known, _)| *known == name).expect("a metric of that name").1
    }

    /// Waits until a metric has this value, for which there is no event.
    pub async fn until_count(&self, name: &str, value: u64) {
        while self.count(name) != value {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub fn address(endpoint: &Endpoint) -> SocketAddr {
    endpoint.sockets()[0].address
}

/// Both halves of a subscription, and events that were taken and not looked at.
pub struct Member {
    pub sender: TopicSender,
    pub receiver: TopicReceiver,
    pending: VecDeque<Event>,
}

impl Member {
    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        if self.pending.is_empty() {
            self.pending.extend(self.receiver.next(256, 1 << 20).await.expect("events"));
        }
        self.pending.pop_front()
    }

    /// The first event that answers; those before it are dropped.
    pub async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.next().await.expect("the topic is open");
            if let Some(answer) = wanted(&event) {
                return answer;
            }
        }
    }

    /// The next content and how it came.
    pub async fn received(&mut self) -> (Bytes, EndpointId, Scope) {
        self.until(|event| match event {
            Event::Received { content, from, scope } => Some((content.clone(), *from, *scope)),
            _ => None,
        })
        .await
    }

    pub async fn content(&mut self) -> Bytes {
        self.received().await.0
    }

    pub async fn up(&mut self) -> EndpointId {
        self.until(|event| match event {
            Event::NeighborUp(id) => Some(*id),
            _ => None,
        })
        .await
    }

    pub async fn down(&mut self) -> (EndpointId, DownReason) {
        self.until(|event| match event {
            Event::NeighborDown(id, reason) => Some((*id, *reason)),
            _ => None,
        })
        .await
    }

    pub async fn say(&self, content: impl Into<Bytes>) -> usize {
        self.sender.broadcast(content.into()).await.expect("the broadcast")
    }

    pub async fn leave(&self) {
        self.sender.close().await;
        self.receiver.close().await;
    }
}

/// Two nodes that are neighbors on a topic; the first dialed.
pub async fn pair(topic: TopicId) -> (Node, Member, Node, Member) {
    let (a, b) = (Node::new(), Node::new());
    let mut on_b = b.subscribe(topic, &[]);
    let mut on_a = a.subscribe(topic, &[&b.endpoint]);
    assert_eq!(on_a.up().await, b.id());
    assert_eq!(on_b.up().await, a.id());
    (a, on_a, b, on_b)
}
