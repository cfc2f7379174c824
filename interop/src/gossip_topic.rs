//! One subscription of the reference, read at all times so that it never lags.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use iroh::address_lookup::memory::MemoryLookup;
use iroh::{EndpointAddr, EndpointId};
use iroh_gossip::api::{Event, GossipReceiver, GossipSender, JoinOptions};
use iroh_gossip::proto::DeliveryScope;
use n0_future::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::command::to_hex;
use crate::fault::Fault;
use crate::gossip::topic_id;
use crate::gossip_node::learn;
use crate::table::Table;

/// A peer and where it is; without addresses only what was learned before counts.
#[derive(Deserialize)]
pub struct Near {
    pub id: EndpointId,
    #[serde(default)]
    pub addresses: Vec<SocketAddr>,
}

impl Near {
    pub fn addr(&self) -> EndpointAddr {
        self.addresses.iter().fold(EndpointAddr::new(self.id), |to, at| to.with_ip_addr(*at))
    }
}

/// What to subscribe to.
#[derive(Deserialize)]
pub struct Subscribe {
    gossip: u32,
    topic: String,
    bootstrap: Vec<Near>,
}

#[derive(Default)]
struct Log {
    events: VecDeque<Value>,
    neighbors: BTreeSet<EndpointId>,
    contents: HashSet<Vec<u8>>,
}

/// A subscription.
pub struct Topic {
    sender: GossipSender,
    lookup: MemoryLookup,
    log: Arc<Mutex<Log>>,
    news: Arc<Notify>,
    reader: AbortHandle,
}

/// Subscribes: `{topic}`.
pub async fn subscribe(table: &Table, subscribe: Subscribe) -> Result<Value, Fault> {
    let node = table.gossip(subscribe.gossip)?;
    node.learn(&subscribe.bootstrap);
    let bootstrap = subscribe.bootstrap.iter().map(|near| near.id);
    let topic = node
        .gossip
        .subscribe_with_opts(
            topic_id(&subscribe.topic)?,
            JoinOptions { subscription_capacity: 65_536, ..JoinOptions::with_bootstrap(bootstrap) },
        )
        .await
        .map_err(fault)?;
    let (sender, receiver) = topic.split();
    let (log, news) = (Arc::<Mutex<Log>>::default(), Arc::<Notify>::default());
    let reader = tokio::spawn(read(receiver, log.clone(), news.clone())).abort_handle();
    let topic = Topic { sender, lookup: node.lookup.clone(), log, news, reader };
    Ok(json!({ "topic": table.add_topic(topic) }))
}

/// Notes every event as JSON: `{type: 'neighborUp' | 'neighborDown', id}`,
/// `{type: 'received', hex, from, round?}` (no round: to neighbors), `{type: 'lagged'}`.
async fn read(mut receiver: GossipReceiver, log: Arc<Mutex<Log>>, news: Arc<Notify>) {
    while let Some(Ok(event)) = receiver.next().await {
        {
            let mut log = log.lock().expect("never poisoned");
            let told = match event {
                Event::NeighborUp(id) => {
                    log.neighbors.insert(id);
                    json!({ "type": "neighborUp", "id": id.to_string() })
                }
                Event::NeighborDown(id) => {
                    log.neighbors.remove(&id);
                    json!({ "type": "neighborDown", "id": id.to_string() })
                }
                Event::Received(message) => {
                    log.contents.insert(message.content.to_vec());
                    let mut told = json!({
                        "type": "received",
                        "hex": to_hex(&message.content),
                        "from": message.delivered_from.to_string(),
                    });
                    if let DeliveryScope::Swarm(round) = message.scope {
                        told["round"] = json!(round);
                    }
                    told
                }
                Event::Lagged => json!({ "type": "lagged" }),
            };
            log.events.push_back(told);
        }
        news.notify_waiters();
    }
}

impl Topic {
    /// Waits for at least one event.
    pub async fn next(&self, max: usize) -> Vec<Value> {
        self.until(|log| {
            let count = log.events.len().min(max);
            (count > 0).then(|| log.events.drain(..count).collect())
        })
        .await
    }

    /// Waits for so many different contents.
    pub async fn unique(&self, count: usize) -> usize {
        self.until(|log| (log.contents.len() >= count).then_some(log.contents.len())).await
    }

    async fn until<T>(&self, mut look: impl FnMut(&mut Log) -> Option<T>) -> T {
        loop {
            // Before the look, so that nothing is missed between.
            let news = self.news.notified();
            if let Some(found) = look(&mut self.log.lock().expect("never poisoned")) {
                return found;
            }
            news.await;
        }
    }

    pub fn neighbors(&self) -> Vec<String> {
        let log = self.log.lock().expect("never poisoned");
        log.neighbors.iter().map(ToString::to_string).collect()
    }

    pub async fn broadcast(&self, content: Vec<u8>) -> Result<(), Fault> {
        self.sender.broadcast(content.into()).await.map_err(fault)
    }

    pub async fn broadcast_neighbors(&self, content: Vec<u8>) -> Result<(), Fault> {
        self.sender.broadcast_neighbors(content.into()).await.map_err(fault)
    }

    pub async fn join(&self, peers: &[Near]) -> Result<(), Fault> {
        learn(&self.lookup, peers);
        let ids = peers.iter().map(|near| near.id).collect();
        self.sender.join_peers(ids).await.map_err(fault)
    }

    /// Gives the receiver up; the sender goes with the topic.
    pub fn quit(&self) {
        self.reader.abort();
    }
}

fn fault(error: impl ToString) -> Fault {
    Fault::new("gossip", error)
}
