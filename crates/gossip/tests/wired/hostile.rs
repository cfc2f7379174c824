//! Peers that attack: the cases of the threat list, one test each.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gaiwan_base::{EndpointId, SecretKey};
use gaiwan_endpoint::BoxFuture;
use gaiwan_gossip::{
    Accept, DownReason, Event, GossipOptions, Limits, TopicId,
    proto::{
        frame,
        message::{Node as Named, Parsed},
        peer_data::PeerData,
    },
};
use quinn::SendStream;
use tokio::time::{Instant, timeout};

use crate::{
    peers::{Member, Node, OTHER, TOPIC, address, run},
    raw::{Heard, Link, Raw, gossip, say},
};

/// A node with a subscription, and a hostile neighbor of it.
struct Attack {
    node: Node,
    member: Member,
    raw: Raw,
    link: Link,
    send: SendStream,
    heard: Heard,
}

async fn attack(options: GossipOptions) -> Attack {
    let (node, raw) = (Node::with(options), Raw::new());
    let mut member = node.subscribe(TOPIC, &[]);
    let (link, send, heard) = raw.join(&node, TOPIC).await;
    assert_eq!(member.up().await, raw.endpoint.id());
    Attack { node, member, raw, link, send, heard }
}

impl Attack {
    /// Says something harmless and waits until it was heard, and so all before it.
    async fn settle(&mut self, text: &str) {
        say(&mut self.send, &[gossip(text, None)]).await;
        assert_eq!(self.member.content().await, text);
    }
}

fn stranger() -> EndpointId {
    SecretKey::generate().id()
}

fn named(id: EndpointId, addresses: Vec<std::net::SocketAddr>) -> Named {
    let data = PeerData { relay_url: None, addresses }.encode();
    Named { id, data: Some(data.into()) }
}

#[test]
fn an_oversized_length_prefix_ends_the_connection() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        a.send.write_all(&u32::MAX.to_be_bytes()).await.expect("the prefix");
        assert_eq!(a.link.closed().await, 0);
        assert_eq!(a.member.down().await, (a.raw.endpoint.id(), DownReason::Lost));
        assert_eq!(a.node.count("frames_oversized"), 1);
    });
}

#[test]
fn the_eighth_body_that_is_no_message_ends_the_connection() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        for n in 0..7 {
            let broken =
                [Bytes::new(), Bytes::from_static(&[2, 0]), Bytes::from_static(&[1, 0, 9])];
            a.send.write_all(&frame::frame(&broken[n % 3])).await.expect("a frame");
        }
        a.settle("seven are forgiven").await;
        assert_eq!(a.node.count("frames_undecodable"), 7);
        a.send.write_all(&frame::frame(&[])).await.expect("a frame");
        assert_eq!(a.link.closed().await, 0);
    });
}

#[test]
fn a_header_that_is_none_ends_the_connection() {
    run(async {
        let a = attack(GossipOptions::default()).await;
        let mut send = a.link.open().await;
        send.write_all(&frame::frame(&[0; 31])).await.expect("a frame");
        assert_eq!(a.link.closed().await, 0);
    });
}

#[test]
fn an_ihave_flood_is_heard_at_its_rate() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        let begin = Instant::now();
        for n in 0..100u8 {
            let ids = (0..100u8).map(|m| ([n ^ m.rotate_left(4); 32], 0)).collect();
            say(&mut a.send, &[Parsed::IHave(ids)]).await;
        }
        a.settle("flooded").await;
        let most = 2000 + 500 * (begin.elapsed().as_secs() + 1);
        assert!(a.node.count("ids_rate_limited") >= 10_000u64.saturating_sub(most));
    });
}

#[test]
fn a_ttl_is_cut_before_a_walk_goes_on() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        let other = Raw::new();
        let (_link, _send, mut heard) = other.join(&a.node, TOPIC).await;
        a.member.up().await;
        let walker = named(stranger(), Vec::new());
        let walk = Parsed::ForwardJoin { node: walker.clone(), ttl: u16::MAX };
        let nodes = vec![walker.clone()];
        let shuffle = Parsed::Shuffle { origin: walker.id, nodes, ttl: u16::MAX };
        say(&mut a.send, &[walk, shuffle]).await;
        let ttl = heard.until(|message| match message {
            Parsed::ForwardJoin { node, ttl } if node.id == walker.id => Some(ttl),
            _ => None,
        });
        assert_eq!(ttl.await, 11, "twice the walk of 6, less the hop");
        let ttl = heard.until(|message| match message {
            Parsed::Shuffle { ttl, .. } => Some(ttl),
            _ => None,
        });
        assert_eq!(ttl.await, 11);
    });
}

#[test]
fn a_round_that_would_overflow_is_dropped() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        for round in [1001, u16::MAX] {
            let graft = Parsed::Graft { id: None, round };
            say(
                &mut a.send,
                &[gossip("far", Some(round)), graft, Parsed::IHave(vec![([1; 32], round)])],
            )
            .await;
        }
        a.settle("near").await;
        say(&mut a.send, &[gossip("as far as may be", Some(1000))]).await;
        assert_eq!(a.member.content().await, "as far as may be");
    });
}

#[test]
fn a_wrong_hash_is_no_message() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        let content = Bytes::from_static(b"forged");
        say(&mut a.send, &[Parsed::Gossip { id: [0; 32], content, scope: Some(0) }]).await;
        a.settle("honest").await;
    });
}

#[test]
fn a_shuffle_of_a_crowd_is_cut() {
    run(async {
        let mut a =
            attack(GossipOptions { max_message_bytes: 65_536, ..GossipOptions::default() }).await;
        let mut nodes: Vec<Named> = (0..500).map(|_| named(stranger(), Vec::new())).collect();
        nodes[0].data = Some(vec![0; 40_000].into());
        let shuffle = Parsed::Shuffle { origin: a.raw.endpoint.id(), nodes, ttl: 0 };
        say(&mut a.send, &[shuffle]).await;
        let reply = a.heard.until(|message| match message {
            Parsed::ShuffleReply(nodes) => Some(nodes),
            _ => None,
        });
        let reply = reply.await;
        assert!((1..=32).contains(&reply.len()), "{}", reply.len());
        assert!(reply.iter().all(|node| node.data.as_ref().is_none_or(|data| data.len() <= 1024)));
    });
}

#[test]
fn peers_that_gossip_names_are_dialed_at_a_rate_and_poisoned_addresses_not_at_all() {
    run(async {
        let victim = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let target = victim.local_addr().expect("an address");
        let mut a = attack(GossipOptions::default()).await;
        let begin = Instant::now();
        let walks: Vec<_> = (0..60)
            .map(|_| Parsed::ForwardJoin { node: named(stranger(), vec![target]), ttl: 0 })
            .collect();
        say(&mut a.send, &walks).await;
        let nowhere =
            named(stranger(), vec![([224, 0, 0, 1], 9).into(), ([127, 0, 0, 1], 0).into()]);
        say(&mut a.send, &[Parsed::ForwardJoin { node: nowhere, ttl: 0 }]).await;
        a.settle("named").await;
        // The victim hears the first, and no more than the rate allows.
        let mut buffer = [0; 2048];
        let mut sources = std::collections::HashSet::new();
        while sources.is_empty() || begin.elapsed() < Duration::from_secs(2) {
            if let Ok(heard) = timeout(Duration::from_millis(100), victim.recv(&mut buffer)).await {
                // The destination connection id of an Initial packet tells the attempts apart.
                heard.expect("a datagram");
                sources.insert(buffer[6..14].to_vec());
            }
        }
        let dialed = a.node.count("actor_tick_dialer");
        let most = 4 + 4 * (begin.elapsed().as_secs() + 1);
        assert!(!sources.is_empty() && sources.len() as u64 <= most, "{}", sources.len());
        assert!(dialed <= most, "{dialed}");
    });
}

#[test]
fn a_join_storm_is_answered_once_a_second() {
    run(async {
        // Before the Join that makes it a neighbor: the next is heard a second after that one.
        let begin = Instant::now();
        let mut a = attack(GossipOptions::default()).await;
        let mut storm = vec![Parsed::Join(None); 200];
        storm.push(gossip("over", None));
        say(&mut a.send, &storm).await;
        assert_eq!(a.member.content().await, "over");
        // The one that made it a neighbor, then one a second, and no more than wait.
        assert!(begin.elapsed() >= Duration::from_millis(900));
        let answered = a.node.count("msgs_ctrl_sent");
        assert!(answered <= 2 + begin.elapsed().as_secs() + 1, "{answered}");
        assert!(a.link.is_open());
    });
}

struct Only(EndpointId);

impl Accept for Only {
    fn accept(&self, remote: EndpointId) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(remote == self.0))
    }
}

#[test]
fn who_is_not_welcome_gets_a_closed_connection() {
    run(async {
        let (friend, foe) = (Raw::new(), Raw::new());
        let accept: Arc<dyn Accept> = Arc::new(Only(friend.endpoint.id()));
        let node = Node::with(GossipOptions { accept: Some(accept), ..GossipOptions::default() });
        let mut member = node.subscribe(TOPIC, &[]);
        let link = foe.dial(&node).await;
        assert_eq!(link.closed().await, 0);
        let (_link, _send, _heard) = friend.join(&node, TOPIC).await;
        assert_eq!(member.up().await, friend.endpoint.id());
    });
}

#[test]
fn strangers_are_heard_unless_only_neighbors_are() {
    run(async {
        for neighbors_only in [false, true] {
            let mut a = attack(GossipOptions { neighbors_only, ..GossipOptions::default() }).await;
            let stranger = Raw::new();
            let link = stranger.dial(&a.node).await;
            let mut send = link.say(&TOPIC, &[gossip("from outside", Some(0))]).await;
            if !neighbors_only {
                let (content, from, _) = a.member.received().await;
                assert_eq!((content, from), ("from outside".into(), stranger.endpoint.id()));
            }
            // Its Join makes it a neighbor, and then it is heard either way.
            say(&mut send, &[Parsed::Join(None), gossip("from inside", Some(0))]).await;
            let first = a.member.content().await;
            assert_eq!(first, "from inside");
            a.settle("all").await;
        }
    });
}

#[test]
fn streams_without_a_header_hold_up_nobody_and_then_end_the_connection() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        let begin = Instant::now();
        let mut silent = Vec::new();
        for _ in 0..60 {
            let mut send = a.link.open().await;
            // Half a prefix, so that the node sees the stream.
            send.write_all(&[0, 0]).await.expect("two bytes");
            silent.push(send);
        }
        let _other = a.node.subscribe(OTHER, &[]);
        let _also = a.link.say(&OTHER, &[Parsed::Join(None)]).await;
        assert_eq!(a.link.heard().await.topic, OTHER);
        a.settle("meanwhile").await;
        assert!(begin.elapsed() < Duration::from_secs(9));
        assert_eq!(a.link.closed().await, 0);
        assert!(begin.elapsed() >= Duration::from_secs(9));
    });
}

#[test]
fn bytes_for_a_topic_that_is_not_joined_are_dropped_and_then_the_stranger() {
    run(async {
        let node = Node::new();
        let mut member = node.subscribe(TOPIC, &[]);
        let stranger = Raw::new();
        let link = stranger.dial(&node).await;
        let message = gossip(&"x".repeat(4000), Some(0));
        let mut send = link.say(&OTHER, &vec![message.clone(); 60]).await;
        // 240 kB are borne with; what is joined is heard beside them.
        let _also = link.say(&TOPIC, &[gossip("joined", None)]).await;
        assert_eq!(member.content().await, "joined");
        assert!(link.is_open());
        // The topic holds the peer now, so it stays; another stranger does not.
        say(&mut send, &vec![message.clone(); 60]).await;
        let other = Raw::new();
        let alone = other.dial(&node).await;
        let mut sent = alone.open().await;
        let mut bytes = frame::header(&OTHER).to_vec();
        (0..70).for_each(|_| bytes.extend(frame::frame(&message.encode())));
        // The end may come while it still writes.
        let _ = sent.write_all(&bytes).await;
        assert_eq!(alone.closed().await, 0);
        say(&mut send, &[message]).await;
        assert!(link.is_open());
    });
}

#[test]
fn connections_have_a_limit_for_a_peer_and_for_all() {
    run(async {
        let limits =
            Limits { max_connections: 3, max_connections_per_peer: 2, ..Limits::default() };
        let node = Node::with(GossipOptions { limits, ..GossipOptions::default() });
        let _member = node.subscribe(TOPIC, &[]);
        let (raw, stranger, late) = (Raw::new(), Raw::new(), Raw::new());
        let (first, _send, _heard) = raw.join(&node, TOPIC).await;
        let second = raw.dial(&node).await;
        let _again = second.say(&TOPIC, &[Parsed::Prune]).await;
        // The node may be done with a later handshake first.
        node.until_count("open_connections", 2).await;
        let third = raw.dial(&node).await;
        assert_eq!(third.closed().await, 0);
        let place = stranger.dial(&node).await;
        let _send = place.say(&TOPIC, &[gossip("here", None)]).await;
        node.until_count("open_connections", 3).await;
        let mut also = node.subscribe(TOPIC, &[]);
        let refused = late.dial(&node).await;
        assert_eq!(refused.closed().await, 0);
        assert!(first.is_open() && second.is_open() && place.is_open());
        also.leave().await;
        let _ = also.next().await;
    });
}

#[test]
fn a_forward_join_that_names_us_is_not_heard() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        let us = named(a.node.id(), vec![address(&a.node.endpoint)]);
        say(&mut a.send, &[Parsed::ForwardJoin { node: us, ttl: 0 }]).await;
        a.settle("ourselves").await;
        assert_eq!((a.node.count("actor_tick_dialer"), a.node.count("dials_pending")), (0, 0));
    });
}

#[test]
fn why_a_neighbor_went_is_told() {
    run(async {
        let membership =
            gaiwan_gossip::MembershipOptions { active_view_capacity: 1, ..Default::default() };
        let mut a = attack(GossipOptions { membership, ..GossipOptions::default() }).await;
        let next = Raw::new();
        let (_link, mut send, _heard) = next.join(&a.node, TOPIC).await;
        assert_eq!(a.member.down().await, (a.raw.endpoint.id(), DownReason::Replaced));
        assert_eq!(a.member.up().await, next.endpoint.id());
        say(&mut send, &[Parsed::Disconnect { is_alive: true }]).await;
        assert_eq!(a.member.down().await, (next.endpoint.id(), DownReason::Evicted));
        let last = Raw::new();
        let (link, mut send, _heard) = last.join(&a.node, TOPIC).await;
        a.member
            .until(|event| (*event == Event::NeighborUp(last.endpoint.id())).then_some(()))
            .await;
        say(&mut send, &[Parsed::Disconnect { is_alive: false }]).await;
        let down = a.member.until(|event| match event {
            Event::NeighborDown(id, reason) if *id == last.endpoint.id() => Some(*reason),
            _ => None,
        });
        assert_eq!(down.await, DownReason::Left);
        drop(link);
    });
}

#[test]
fn a_stranger_topic_does_not_exist_for_others() {
    run(async {
        let mut a = attack(GossipOptions::default()).await;
        let unknown = TopicId([99; 32]);
        let _send = a.link.say(&unknown, &[Parsed::Join(None)]).await;
        a.settle("no answer").await;
        a.member.say("and none before this").await;
        assert_eq!(a.heard.content().await.0, "and none before this");
        let quiet = timeout(Duration::from_millis(200), a.link.heard()).await;
        assert!(quiet.is_err(), "a Join to an unknown topic is not answered");
    });
}
