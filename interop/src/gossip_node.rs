//! The reference's gossip on one endpoint.

use iroh::address_lookup::memory::MemoryLookup;
use iroh::protocol::Router;
use iroh_gossip::net::Gossip;
use iroh_gossip::proto::HyparviewConfig;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::gossip_topic::Near;
use crate::table::Table;

/// Where to start, and what differs from the defaults.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    endpoint: u32,
    alpn: Option<String>,
    max_message_size: Option<usize>,
    /// Neighbors of one topic.
    active_view: Option<usize>,
}

/// A gossip instance with its router.
pub struct Node {
    pub gossip: Gossip,
    pub lookup: MemoryLookup,
    router: Router,
}

/// Starts: `{gossip}`. The endpoint takes this ALPN alone from now on.
pub fn start(table: &Table, start: Start) -> Result<Value, Fault> {
    let endpoint = table.endpoint(start.endpoint)?.endpoint();
    let lookup = MemoryLookup::new();
    endpoint.address_lookup().map_err(Fault::usage)?.add(lookup.clone());
    let mut builder = Gossip::builder();
    let alpn = start.alpn.map_or_else(|| iroh_gossip::ALPN.to_vec(), String::into_bytes);
    builder = builder.alpn(&alpn);
    if let Some(bytes) = start.max_message_size {
        builder = builder.max_message_size(bytes);
    }
    if let Some(active) = start.active_view {
        let config = HyparviewConfig { active_view_capacity: active, ..HyparviewConfig::default() };
        builder = builder.membership_config(config);
    }
    let gossip = builder.spawn(endpoint.clone());
    let router = Router::builder(endpoint).accept(alpn, gossip.clone()).spawn();
    Ok(json!({ "gossip": table.add_gossip(Node { gossip, lookup, router }) }))
}

impl Node {
    /// Notes addresses; there is no other lookup.
    pub fn learn(&self, peers: &[Near]) {
        learn(&self.lookup, peers);
    }

    /// Shuts the gossip down and closes the endpoint.
    pub async fn shutdown(&self) -> Result<(), Fault> {
        self.router.shutdown().await.map_err(|error| Fault::new("gossip", error))
    }
}

/// Notes where peers are.
pub fn learn(lookup: &MemoryLookup, peers: &[Near]) {
    for peer in peers {
        lookup.add_endpoint_info(peer.addr());
    }
}
