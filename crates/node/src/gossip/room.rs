//! An instance. Faces `ts/gossip/core.ts`.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::Failure;
use gaiwan_gossip::{
    BroadcastOptions, Gossip, GossipOptions, Limits, MembershipOptions, TopicId, max_content_bytes,
};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use super::{
    asking::{JsAccept, JsDial},
    piece::Piece,
    sender::Sender,
};
use crate::{
    bridge::NativeBridge,
    error::{stale, to_js},
    options::whole,
    queue::Event,
};

/// Settings of an instance; what is null has its default. Durations are milliseconds.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct NativeGossipOptions {
    /// One ALPN.
    pub alpn: Option<Uint8Array>,
    /// Of a frame's body.
    pub max_message_bytes: Option<u32>,
    /// Join known peers again.
    pub rejoin: Option<bool>,
    /// Drop messages of peers that are no neighbors.
    pub neighbors_only: Option<bool>,
    /// Of one peer.
    pub max_queued_frames: Option<u32>,
    /// Of one peer.
    pub max_queued_bytes: Option<u32>,
    /// In all.
    pub max_connections: Option<u32>,
    /// Of one peer.
    pub max_connections_per_peer: Option<u32>,
    /// Neighbors wanted.
    pub active_view_capacity: Option<u32>,
    /// Peers remembered.
    pub passive_view_capacity: Option<u32>,
    /// Hops.
    pub active_random_walk_length: Option<u16>,
    /// Hops.
    pub passive_random_walk_length: Option<u16>,
    /// Hops.
    pub shuffle_random_walk_length: Option<u16>,
    /// Peers.
    pub shuffle_active_view_count: Option<u32>,
    /// Peers.
    pub shuffle_passive_view_count: Option<u32>,
    /// Milliseconds.
    pub shuffle_interval_ms: Option<f64>,
    /// Milliseconds.
    pub neighbor_request_timeout_ms: Option<f64>,
    /// Milliseconds.
    pub graft_timeout1_ms: Option<f64>,
    /// Milliseconds.
    pub graft_timeout2_ms: Option<f64>,
    /// Milliseconds.
    pub dispatch_timeout_ms: Option<f64>,
    /// Hops.
    pub optimization_threshold: Option<u16>,
    /// Milliseconds.
    pub message_cache_retention_ms: Option<f64>,
    /// Milliseconds.
    pub message_id_retention_ms: Option<f64>,
    /// Milliseconds.
    pub cache_evict_interval_ms: Option<f64>,
    /// Where questions about who may connect go: ITEM with a token and the id.
    pub accept_sub: Option<u32>,
    /// Where requests for connections go: ITEM with a token and the id, then what is known of its addresses, as text
    /// with commas between.
    pub dial_sub: Option<u32>,
    /// Whether they go there for peers with a known address too.
    pub dial_all: Option<bool>,
}

fn count(given: Option<u32>, default: usize) -> usize {
    given.map_or(default, |n| n as usize)
}

fn millis(given: Option<f64>, default: Duration) -> Duration {
    given.map_or(default, |ms| Duration::from_millis(whole(ms)))
}

impl NativeGossipOptions {
    fn build(&self) -> GossipOptions {
        let d = GossipOptions::default();
        let (m, b, l) = (&d.membership, &d.broadcast, &d.limits);
        let membership = MembershipOptions {
            active_view_capacity: count(self.active_view_capacity, m.active_view_capacity),
            passive_view_capacity: count(self.passive_view_capacity, m.passive_view_capacity),
            active_random_walk_length: self
                .active_random_walk_length
                .unwrap_or(m.active_random_walk_length),
            passive_random_walk_length: self
                .passive_random_walk_length
                .unwrap_or(m.passive_random_walk_length),
            shuffle_random_walk_length: self
                .shuffle_random_walk_length
                .unwrap_or(m.shuffle_random_walk_length),
            shuffle_active_view_count: count(
                self.shuffle_active_view_count,
                m.shuffle_active_view_count,
            ),
            shuffle_passive_view_count: count(
                self.shuffle_passive_view_count,
                m.shuffle_passive_view_count,
            ),
            shuffle_interval: millis(self.shuffle_interval_ms, m.shuffle_interval),
            neighbor_request_timeout: millis(
                self.neighbor_request_timeout_ms,
                m.neighbor_request_timeout,
            ),
        };
        let broadcast = BroadcastOptions {
            graft_timeout_1: millis(self.graft_timeout1_ms, b.graft_timeout_1),
            graft_timeout_2: millis(self.graft_timeout2_ms, b.graft_timeout_2),
            dispatch_timeout: millis(self.dispatch_timeout_ms, b.dispatch_timeout),
            optimization_threshold: self.optimization_threshold.unwrap_or(b.optimization_threshold),
            message_cache_retention: millis(
                self.message_cache_retention_ms,
                b.message_cache_retention,
            ),
            message_id_retention: millis(self.message_id_retention_ms, b.message_id_retention),
            cache_evict_interval: millis(self.cache_evict_interval_ms, b.cache_evict_interval),
        };
        let limits = Limits {
            max_queued_frames: count(self.max_queued_frames, l.max_queued_frames),
            max_queued_bytes: count(self.max_queued_bytes, l.max_queued_bytes),
            max_connections: count(self.max_connections, l.max_connections),
            max_connections_per_peer: count(
                self.max_connections_per_peer,
                l.max_connections_per_peer,
            ),
        };
        GossipOptions {
            max_message_bytes: count(self.max_message_bytes, d.max_message_bytes),
            rejoin: self.rejoin.unwrap_or(d.rejoin),
            neighbors_only: self.neighbors_only.unwrap_or(d.neighbors_only),
            membership,
            broadcast,
            limits,
            ..d
        }
    }
}

/// Bytes of content that fit everywhere if a frame has `max_message_bytes`.
#[napi]
pub fn gossip_max_content_bytes(max_message_bytes: u32) -> u32 {
    u32::try_from(max_content_bytes(max_message_bytes as usize)).unwrap_or(u32::MAX)
}

#[napi]
impl NativeBridge {
    /// The handle of an instance.
    #[napi(catch_unwind)]
    pub fn gossip_new(&self, endpoint: u32, options: NativeGossipOptions) -> napi::Result<u32> {
        let (core, endpoint) = (self.core()?, self.endpoint_of(endpoint)?);
        let mut settings = options.build();
        if let Some(alpn) = &options.alpn {
            settings.alpn = bytes::Bytes::copy_from_slice(alpn);
        }
        settings.accept =
            options.accept_sub.map(|sub| Arc::new(JsAccept { core: core.clone(), sub }) as _);
        let all = options.dial_all.unwrap_or(false);
        settings.dial =
            options.dial_sub.map(|sub| Arc::new(JsDial { core: core.clone(), sub, all }) as _);
        let gossip = core.enter(|| Gossip::new(endpoint, settings)).map_err(to_js)?;
        Ok(self.table_mut().insert(Piece::Gossip(gossip).object()))
    }

    /// How others reach us, now and when it changes.
    #[napi(catch_unwind)]
    pub fn gossip_announce(
        &self,
        gossip: u32,
        relay_url: Option<String>,
        addresses: Vec<String>,
    ) -> napi::Result<()> {
        let gossip = self.gossip_of(gossip)?;
        self.core()?.enter(|| gossip.announce(relay_url, sockets(&addresses)));
        Ok(())
    }

    /// Where a peer is, as a user says.
    #[napi(catch_unwind)]
    pub fn gossip_learn(
        &self,
        gossip: u32,
        id: String,
        addresses: Vec<String>,
    ) -> napi::Result<()> {
        let gossip = self.gossip_of(gossip)?;
        let id = EndpointId::parse(&id).map_err(|_| stale("peer"))?;
        self.core()?.enter(|| gossip.learn(id, &sockets(&addresses)));
        Ok(())
    }

    /// Subscribes: the handles of the sending and the receiving half. The topic has 32 bytes, so has each peer.
    #[napi(catch_unwind)]
    pub fn gossip_subscribe(
        &self,
        gossip: u32,
        topic: &[u8],
        bootstrap: &[u8],
        capacity: u32,
    ) -> napi::Result<Vec<u32>> {
        let gossip = self.gossip_of(gossip)?;
        let topic = TopicId(topic.try_into().map_err(|_| stale("topic"))?);
        let bootstrap = ids(bootstrap).map_err(to_js)?;
        let core = self.core()?;
        let halves = core.enter(|| {
            let (sender, receiver) = gossip.subscribe(topic, &bootstrap, capacity as usize)?;
            Ok((Sender::new(core, sender), Arc::new(receiver)))
        });
        let (sender, receiver) = halves.map_err(to_js)?;
        let mut table = self.table_mut();
        let sender = table.insert(Piece::Sender(sender).object());
        Ok(vec![sender, table.insert(Piece::Receiver(receiver).object())])
    }

    /// OK once a connection that was made elsewhere has ended.
    #[napi]
    pub fn gossip_handle(&self, call: u32, gossip: u32, connection: u32) -> napi::Result<()> {
        let gossip = self.gossip_of(gossip)?;
        let connection = self.connection_of(connection)?.connection.clone();
        self.core()?.call(call, async move {
            gossip.handle(connection).await?;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// Counts by name.
    #[napi(catch_unwind)]
    pub fn gossip_metrics(&self, gossip: u32) -> napi::Result<HashMap<String, f64>> {
        let metrics = self.gossip_of(gossip)?.metrics().into_iter();
        #[allow(clippy::cast_precision_loss, reason = "counters stay exact up to 2^53")]
        Ok(metrics.map(|(name, n)| (name.to_owned(), n as f64)).collect())
    }

    /// OK once all topics are left and their connections closed.
    #[napi]
    pub fn gossip_shutdown(&self, call: u32, gossip: u32) -> napi::Result<()> {
        let gossip = self.gossip_of(gossip)?;
        self.core()?.call(call, async move {
            gossip.shutdown().await;
            Ok(Event::done(call))
        });
        Ok(())
    }
}

/// Ids of 32 bytes each.
pub(super) fn ids(bytes: &[u8]) -> Result<Vec<EndpointId>, Failure> {
    let (ids, _) = bytes.as_chunks::<32>();
    let id = |bytes: &[u8; 32]| EndpointId::from_bytes(bytes);
    ids.iter()
        .map(id)
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::new(ErrorCode::Internal, error.to_string()))
}

/// The facade has them in normal form; what is none is left out.
fn sockets(addresses: &[String]) -> Vec<SocketAddr> {
    addresses.iter().filter_map(|address| address.parse().ok()).collect()
}
