//! Many nodes in one process.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use gaiwan_base::SecretKey;
use gaiwan_endpoint::TransportOptions;
use gaiwan_gossip::GossipOptions;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::peers::{Member, Node, TOPIC, bind_with, run_within};

const NODES: usize = 50;
/// Broadcasts between two looks: no queue of 256 frames has to drop any, however slow its reader.
const BATCH: usize = 250;

/// Silence after which a peer is given up; longer than a stall of the machine, which must not cost the living anything.
const IDLE: Duration = Duration::from_secs(15);

/// Who hears nothing for so long hears no more.
const SILENCE: Duration = Duration::from_secs(120);

/// Three of ten.
fn is_doomed(n: usize) -> bool {
    n % 10 >= 7
}

/// A runtime that stops at once when it is dropped, wherever that is.
struct Doomed(Option<Runtime>);

impl Doomed {
    fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self(Some(runtime.expect("a runtime")))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Hears until every content of `wanted` came, each once; content of an earlier phase is passed over.
async fn hear(member: &mut Member, wanted: &HashSet<Bytes>, own: &HashSet<Bytes>) {
    let mut missing: HashSet<&Bytes> = wanted.difference(own).collect();
    while !missing.is_empty() {
        let next = timeout(SILENCE, member.content()).await;
        let content = next.unwrap_or_else(|_| panic!("{missing:?} never came"));
        if wanted.contains(&content) {
            assert!(missing.remove(&content), "delivered twice, or to its author");
        }
    }
}

/// Broadcasts from senders in turn, in batches that all must have before the next.
async fn broadcast(swarm: &mut [(Node, Member)], phase: &str, count: usize) {
    let start = Instant::now();
    for batch in (0..count).step_by(BATCH) {
        let mut wanted = HashSet::new();
        let mut own = vec![HashSet::new(); swarm.len()];
        for n in batch..(batch + BATCH).min(count) {
            let (sender, content) = (n % swarm.len(), Bytes::from(format!("{phase} {n}")));
            swarm[sender].1.say(content.clone()).await;
            own[sender].insert(content.clone());
            wanted.insert(content);
        }
        join_all(swarm.iter_mut().zip(&own).map(|((_, member), own)| hear(member, &wanted, own)))
            .await;
        println!("{phase}: all have {} at {:?}", batch + wanted.len(), start.elapsed());
    }
}

/// Waits until the swarm is one and at rest: three probes in a row that everybody has while nobody loses a neighbor, or
/// has one that is dead. Who has none for a moment, for its only one had no room, is sent nothing of what is said meanwhile.
async fn settle(swarm: &mut [(Node, Member)], phase: &str) {
    let losses = |swarm: &[(Node, Member)]| -> u64 {
        swarm.iter().map(|(node, _)| node.count("neighbor_down")).sum()
    };
    let alive: HashSet<_> = swarm.iter().map(|(node, _)| node.id()).collect();
    let (mut lost, mut calm) = (losses(swarm), 0);
    for probe in 0.. {
        let content = Bytes::from(format!("probe {phase} {probe}"));
        swarm[0].1.say(content.clone()).await;
        let (wanted, none) = (HashSet::from([content]), HashSet::new());
        let others = swarm.iter_mut().skip(1);
        let all = join_all(others.map(|(_, member)| hear(member, &wanted, &none)));
        let is_heard = timeout(Duration::from_secs(5), all).await.is_ok();
        let mut near = swarm.iter().flat_map(|(_, member)| member.receiver.neighbors());
        let all_alive = near.all(|id| alive.contains(&id));
        let now = losses(swarm);
        calm = if is_heard && all_alive && now == lost { calm + 1 } else { 0 };
        lost = now;
        if calm == 3 {
            return println!("{phase}: at rest after probe {probe}");
        }
    }
}

#[test]
fn fifty_nodes_hear_a_thousand_broadcasts_and_the_rest_when_three_of_ten_are_killed() {
    run_within(Duration::from_secs(600), async {
        let mut rng = StdRng::seed_from_u64(50);
        let mut swarm: Vec<(Node, Member)> = Vec::new();
        // Those that will die have a runtime of their own, which stops at once and says nothing to anybody.
        let doomed = Doomed::new();
        for n in 0..NODES {
            let transport = TransportOptions { idle_timeout: Some(IDLE), ..Default::default() };
            let entered = is_doomed(n).then(|| doomed.runtime().enter());
            let endpoint = bind_with(&SecretKey::generate(), 0, transport);
            let node = Node::on(endpoint, GossipOptions::default());
            drop(entered);
            let member = match n {
                0 => node.subscribe(TOPIC, &[]),
                _ => {
                    let known = swarm[rng.random_range(0..n)].0.endpoint.clone();
                    let entered = is_doomed(n).then(|| doomed.runtime().enter());
                    let mut member = node.subscribe(TOPIC, &[&known]);
                    drop(entered);
                    member.up().await;
                    member
                }
            };
            swarm.push((node, member));
        }
        println!("{NODES} nodes have a neighbor");
        settle(&mut swarm, "before").await;
        broadcast(&mut swarm, "all", 1000).await;
        let open: u64 = swarm.iter().map(|(node, _)| node.count("open_connections")).sum();
        println!("{open} ends of connections among {NODES} nodes");
        drop(doomed);
        let killed = Instant::now();
        let alive = swarm.into_iter().enumerate().filter(|(n, _)| !is_doomed(*n));
        let mut swarm: Vec<_> = alive.map(|(_, one)| one).collect();
        assert_eq!(swarm.len(), NODES * 7 / 10);
        settle(&mut swarm, "after").await;
        println!("one swarm again {:?} after the kill", killed.elapsed());
        broadcast(&mut swarm, "rest", 1000).await;
        let dropped: u64 = swarm.iter().map(|(node, _)| node.count("queue_dropped_data")).sum();
        assert_eq!(dropped, 0);
    });
}
