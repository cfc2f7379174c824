//! Leaving, shutting down, and what is left after it.

use gaiwan_base::ErrorCode;
use gaiwan_gossip::{DownReason, proto::message::Parsed};
use tokio::time::Instant;

use crate::{
    peers::{Node, OTHER, TOPIC, pair, run},
    raw::Raw,
};

#[test]
fn a_leave_says_goodbye_in_the_order_of_the_reference() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let member = node.subscribe(TOPIC, &[]);
        let (_link, _send, mut heard) = raw.join(&node, TOPIC).await;
        member.leave().await;
        assert!(matches!(heard.next().await, Parsed::ShuffleReply(_)));
        assert_eq!(heard.next().await, Parsed::Disconnect { is_alive: false });
        let end = heard.frames.next().await.expect("the end");
        assert!(matches!(end, gaiwan_gossip::proto::frame::Next::End), "{end:?}");
    });
}

#[test]
fn calls_after_the_end_say_so() {
    run(async {
        let (a, on_a, b, mut on_b) = pair(TOPIC).await;
        on_a.sender.close().await;
        let refused = on_a.sender.broadcast("x".into()).await;
        assert_eq!(refused.expect_err("closed").code, ErrorCode::TopicClosed);
        on_a.receiver.close().await;
        assert_eq!(on_a.receiver.next(1, 1).await.expect("the end"), []);
        assert_eq!(on_a.receiver.joined().await.expect_err("closed").code, ErrorCode::TopicClosed);
        assert_eq!(on_b.down().await, (a.id(), DownReason::Left));
        let waiting = tokio::spawn(async move { (on_b.receiver.joined().await, on_b) });
        b.gossip.shutdown().await;
        let (joined, mut on_b) = waiting.await.expect("no panic");
        assert_eq!(joined.expect_err("closed").code, ErrorCode::TopicClosed);
        assert_eq!(on_b.next().await, None);
        let refused = on_b.sender.join(&[]).await;
        assert_eq!(refused.expect_err("closed").code, ErrorCode::TopicClosed);
        let refused = b.gossip.subscribe(TOPIC, &[], 1).err().expect("shut down");
        assert_eq!(refused.code, ErrorCode::GossipClosed);
    });
}

#[test]
fn a_shutdown_tells_all_neighbors_and_closes_with_code_0() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let (_one, _other) = (node.subscribe(TOPIC, &[]), node.subscribe(OTHER, &[]));
        let (link, _send, mut heard) = raw.join(&node, TOPIC).await;
        let gossip = node.gossip.clone();
        let shutdown = tokio::spawn(async move { gossip.shutdown().await });
        heard.until(|m| matches!(m, Parsed::Disconnect { is_alive: false }).then_some(())).await;
        assert_eq!(link.closed().await, 0);
        shutdown.await.expect("no panic");
        assert_eq!(
            node.gossip.subscribe(TOPIC, &[], 1).err().expect("closed").code,
            ErrorCode::GossipClosed
        );
    });
}

/// Row 3 of the faults: the reference drops the peer for all topics.
#[test]
fn leaving_one_of_two_shared_topics_keeps_the_other() {
    run(async {
        let (a, on_a, b, mut on_b) = pair(TOPIC).await;
        let mut also_b = b.subscribe(OTHER, &[]);
        let mut also_a = a.subscribe(OTHER, &[&b.endpoint]);
        also_a.up().await;
        also_b.up().await;
        on_a.leave().await;
        assert_eq!(on_b.down().await, (a.id(), DownReason::Left));
        also_a.say("here").await;
        assert_eq!(also_b.content().await, "here");
        also_b.say("there").await;
        assert_eq!(also_a.content().await, "there");
        assert_eq!((a.count("open_connections"), b.count("open_connections")), (1, 1));
    });
}

/// Row 4 of the faults: the reference never closes.
#[test]
fn a_connection_that_no_topic_needs_is_closed_by_who_dialed() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let member = node.subscribe(TOPIC, &[&raw.endpoint]);
        let link = raw.accept().await;
        let mut heard = link.heard().await;
        assert!(matches!(heard.next().await, Parsed::Join(_)));
        let _send = link.say(&TOPIC, &[Parsed::Neighbor { is_low: false, data: None }]).await;
        member.receiver.joined().await.expect("a neighbor");
        let left = Instant::now();
        member.leave().await;
        assert_eq!(link.closed().await, 0);
        assert!(left.elapsed().as_secs() >= 9, "after 10 s of silence");
        assert_eq!(node.count("neighbor_down"), 0);
    });
}

#[test]
fn a_thousand_lives_of_a_topic_leave_nothing_behind() {
    run(async {
        let node = Node::new();
        for _ in 0..1000 {
            let member = node.subscribe(TOPIC, &[]);
            member.leave().await;
        }
        let mut member = node.subscribe(TOPIC, &[]);
        let raw = Raw::new();
        let (_link, _send, _heard) = raw.join(&node, TOPIC).await;
        assert_eq!(member.up().await, raw.endpoint.id());
        // Timers of the lives before would tick here too.
        assert!(node.count("actor_tick_timers") < 1000 + 20, "{}", node.count("actor_tick_timers"));
    });
}
