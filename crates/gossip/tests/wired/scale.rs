//! Many nodes in one process.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::peers::{Member, Node, TOPIC, run_within};

const NODES: usize = 50;
/// Broadcasts between two looks, so that no queue has to drop.
const BATCH: usize = 20;

/// Hears until every content of `wanted` came, each once; content of an earlier phase is passed over.
async fn hear(member: &mut Member, wanted: &HashSet<Bytes>, own: &HashSet<Bytes>) {
    let mut missing: HashSet<&Bytes> = wanted.difference(own).collect();
    while !missing.is_empty() {
        let content = member.content().await;
        if wanted.contains(&content) {
            assert!(missing.remove(&content), "delivered twice, or to its author");
        }
    }
}

/// Broadcasts from senders in turn, in batches that all must have before the next.
async fn broadcast(swarm: &mut [(Node, Member)], phase: &str, count: usize) {
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
    }
}

#[test]
fn fifty_nodes_hear_a_thousand_broadcasts_and_the_rest_when_a_third_is_gone() {
    run_within(Duration::from_secs(600), async {
        let mut rng = StdRng::seed_from_u64(50);
        let mut swarm: Vec<(Node, Member)> = Vec::new();
        for n in 0..NODES {
            let node = Node::new();
            let member = match n {
                0 => node.subscribe(TOPIC, &[]),
                _ => {
                    let known = swarm[rng.random_range(0..n)].0.endpoint.clone();
                    let mut member = node.subscribe(TOPIC, &[&known]);
                    member.up().await;
                    member
                }
            };
            swarm.push((node, member));
        }
        broadcast(&mut swarm, "all", 1000).await;
        let open: u64 = swarm.iter().map(|(node, _)| node.count("open_connections")).sum();
        println!("{open} ends of connections among {NODES} nodes");
        for _ in 0..NODES * 3 / 10 {
            let (node, _member) = swarm.swap_remove(rng.random_range(0..swarm.len()));
            node.endpoint.close_now();
        }
        // Until the swarm is one again: a probe that everybody has.
        let mut probe = 0;
        loop {
            let content = Bytes::from(format!("probe {probe}"));
            probe += 1;
            swarm[0].1.say(content.clone()).await;
            let wanted = HashSet::from([content]);
            let none = HashSet::new();
            let all =
                join_all(swarm.iter_mut().skip(1).map(|(_, member)| hear(member, &wanted, &none)));
            if tokio::time::timeout(Duration::from_secs(1), all).await.is_ok() {
                break;
            }
        }
        broadcast(&mut swarm, "rest", 1000).await;
        let dropped: u64 = swarm.iter().map(|(node, _)| node.count("queue_dropped_data")).sum();
        assert_eq!(dropped, 0);
    });
}
