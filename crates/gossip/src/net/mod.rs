//! Connections: who is reachable how, what waits for whom, and what comes in.
//!
//! One table under one lock, held for moments. Topics put frames into it and never wait; a task for each stream takes
//! them out. Nothing that a peer does or leaves undone can hold up a topic.

mod book;
mod dial;
mod guard;
mod keeper;
mod lane;
mod link;
mod peer;
mod queue;
mod reader;
mod serve;
mod table;

use std::{net::IpAddr, net::SocketAddr, sync::Arc, sync::Mutex};

use bytes::Bytes;
use gaiwan_base::ErrorCode;
use gaiwan_endpoint::{Connection, Endpoint, Failure};
use tokio::sync::{Notify, Semaphore, watch};

pub(crate) use queue::Outgoing;

use self::{book::Book, table::Table};
use crate::{
    lock,
    metrics::Metrics,
    options::GossipOptions,
    proto::{PeerId, message::Rules, peer_data::PeerData},
    topic::Topics,
};

/// Dials that run at once.
const DIALS: usize = 32;

/// Everything of an instance below its handle.
pub(crate) struct Net {
    pub(crate) endpoint: Endpoint,
    pub(crate) options: GossipOptions,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) topics: Topics,
    pub(crate) book: Book,
    pub(crate) me: PeerId,
    rules: Rules,
    table: Mutex<Table>,
    /// Told when a peer that was behind has room again.
    pub(crate) room: Notify,
    dials: Semaphore,
    our_data: Mutex<Bytes>,
    stop: watch::Sender<bool>,
}

impl Net {
    /// Starts the keeper too, so this must be called inside a tokio runtime.
    pub(crate) fn new(endpoint: Endpoint, options: GossipOptions) -> Arc<Self> {
        let me = endpoint.id().into();
        let membership = &options.membership;
        let join_ttl = membership.active_random_walk_length.saturating_mul(2);
        let rules = Rules {
            me,
            join_ttl,
            shuffle_ttl: membership.shuffle_random_walk_length.saturating_mul(2),
        };
        let net = Arc::new(Self {
            endpoint,
            options,
            metrics: Arc::default(),
            topics: Topics::default(),
            book: Book::default(),
            me,
            rules,
            table: Mutex::new(Table::new()),
            room: Notify::new(),
            dials: Semaphore::new(DIALS),
            our_data: Mutex::new(PeerData::default().encode().into()),
            stop: watch::channel(false).0,
        });
        net.set_our_places(&[]);
        keeper::spawn(&net);
        net
    }

    /// Our own peer data, as it travels.
    pub(crate) fn our_data(&self) -> Bytes {
        lock(&self.our_data).clone()
    }

    /// Sets it, and tells the topics.
    pub(crate) fn announce(&self, relay_url: Option<String>, addresses: Vec<SocketAddr>) {
        self.set_our_places(&addresses);
        let data = Bytes::from(PeerData { relay_url, addresses }.encode_short());
        let old = std::mem::replace(&mut *lock(&self.our_data), data.clone());
        if old != data {
            self.topics.our_data_changed();
        }
    }

    fn set_our_places(&self, announced: &[SocketAddr]) {
        let sockets = self.endpoint.sockets();
        let bound = sockets.iter().map(|socket| socket.address);
        let ours: Vec<IpAddr> = bound.chain(announced.iter().copied()).map(|a| a.ip()).collect();
        self.book.set_ours(ours);
    }

    /// Serves a connection that came or was made elsewhere, until it ends.
    pub(crate) async fn handle(self: &Arc<Self>, connection: Connection) -> Result<(), Failure> {
        let Some(remote) = connection.remote_id() else {
            let text = "the peer of this connection is not proven yet";
            return Err(Failure::new(ErrorCode::PeerUnauthenticated, text));
        };
        if connection.alpn() != self.options.alpn {
            return Err(Failure::new(ErrorCode::AlpnMismatch, "not a connection of gossip"));
        }
        if !self.is_welcome(remote, &connection).await {
            connection.close(0, b"");
            return Err(Failure::new(ErrorCode::NotAllowed, "the peer may not connect"));
        }
        let link = self.register(remote, connection.clone(), false).inspect_err(|_| {
            // A closed connection, never a stopped stream.
            connection.close(0, b"");
        })?;
        drop(connection);
        serve::run(self, link).await;
        Ok(())
    }

    /// Closes every connection. The topics are left by now.
    pub(crate) fn close(&self) {
        self.stop.send_replace(true);
        let table = lock(&self.table);
        table.links().for_each(|link| link.close_idle());
    }
}
