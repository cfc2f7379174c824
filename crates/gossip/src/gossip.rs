//! The handle of an instance.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::{BoxFuture, Connection, Endpoint, Failure, ProtocolHandler};
use tokio::time::timeout;

use crate::{
    net::Net,
    options::{GossipOptions, MAX_MESSAGE_BYTES, MIN_MESSAGE_BYTES},
    proto::TopicId,
    topic::{TopicReceiver, TopicSender},
};

/// How long all topics together may take to leave; each has 5 s itself.
const LEAVE: Duration = Duration::from_secs(6);

/// All topics of an endpoint. Clones are handles of one instance.
#[derive(Clone)]
pub struct Gossip(Arc<Net>);

impl Gossip {
    /// Starts an instance; must be called inside a tokio runtime. Fails with `ENDPOINT_CLOSED`.
    pub fn new(endpoint: Endpoint, mut options: GossipOptions) -> Result<Self, Failure> {
        if endpoint.is_closed() {
            return Err(Failure::new(ErrorCode::EndpointClosed, "the endpoint was closed"));
        }
        let bytes = &mut options.max_message_bytes;
        *bytes = (*bytes).clamp(MIN_MESSAGE_BYTES, MAX_MESSAGE_BYTES);
        Ok(Self(Net::new(endpoint, options)))
    }

    /// Tells peers how to reach us, again whenever it changes. At most 400 bytes of it travel.
    pub fn announce(&self, relay_url: Option<String>, addresses: Vec<SocketAddr>) {
        self.0.announce(relay_url, addresses);
    }

    /// Addresses that a user gave; kept while the instance lives.
    pub fn learn(&self, id: EndpointId, addresses: &[SocketAddr]) {
        self.0.book.learn(id.into(), addresses);
    }

    /// Joins a topic without waiting for peers; without `bootstrap` it waits to be joined. `capacity` is the number of
    /// undelivered events that are kept. Fails with `GOSSIP_CLOSED`.
    ///
    /// The topic is left when the halves of all its subscriptions are closed or dropped.
    pub fn subscribe(
        &self,
        topic: TopicId,
        bootstrap: &[EndpointId],
        capacity: usize,
    ) -> Result<(TopicSender, TopicReceiver), Failure> {
        self.0.topics.subscribe(&self.0, topic, bootstrap, capacity)
    }

    /// Serves one connection until it ends, whoever made it.
    ///
    /// Fails with `ALPN_MISMATCH`, `NOT_ALLOWED`, `LIMIT_REACHED`, `PEER_UNAUTHENTICATED` and `GOSSIP_CLOSED`.
    pub async fn handle(&self, connection: Connection) -> Result<(), Failure> {
        self.0.handle(connection).await
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> Vec<(&'static str, u64)> {
        self.0.metrics.all()
    }

    /// Leaves all topics, waits until their neighbors know (at most 5 s), and closes all connections with code 0.
    pub async fn shutdown(&self) {
        let left = join_all(self.0.topics.shutdown());
        if timeout(LEAVE, left).await.is_err() {
            tracing::debug!("a shutdown did not wait for all of its neighbors");
        }
        self.0.close();
    }
}

impl ProtocolHandler for Gossip {
    fn accept(&self, connection: Connection) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.handle(connection))
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(Gossip::shutdown(self))
    }
}
