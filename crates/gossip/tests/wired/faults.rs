//! The faults of the reference (iroh-gossip 0.101) that must not be ours.

use gaiwan_base::{ErrorCode, SecretKey};
use gaiwan_gossip::{
    DownReason, GossipOptions, TopicId,
    proto::{frame, message::Parsed},
};
use std::{collections::HashSet, time::Duration};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    peers::{Node, OTHER, TOPIC, bind, run},
    raw::{Raw, gossip, say},
};

/// Rows 1 and 12.
#[test]
fn a_peer_whose_first_dial_failed_is_dialed_again_and_the_failure_can_be_seen() {
    run(async {
        let endpoint = bind(&SecretKey::generate(), 0);
        endpoint.set_alpns(&[]).expect("it is open");
        let a = Node::new();
        let other = a.subscribe(OTHER, &[]);
        let mut on_a = a.subscribe(TOPIC, &[&endpoint]);
        // It is there and takes nobody yet. The next attempt comes a second after the first.
        let mut changes = tokio::time::interval(Duration::from_millis(5));
        while on_a.receiver.failed_dials().is_empty() {
            changes.tick().await;
        }
        let failed = on_a.receiver.failed_dials();
        assert_eq!((failed[0].0, failed[0].1.code), (endpoint.id(), ErrorCode::ConnectionRefused));
        // Each dial that failed was counted once; on a machine that stalled the next attempt may have been made already.
        let failures = a.count("actor_tick_dialer_failure");
        assert!((1..=a.count("actor_tick_dialer")).contains(&failures), "{failures}");
        assert!(other.receiver.failed_dials().is_empty(), "it is none of its business");
        let b = Node::on(endpoint, GossipOptions::default());
        let mut on_b = b.subscribe(TOPIC, &[]);
        assert_eq!(on_a.up().await, b.id());
        assert_eq!(on_b.up().await, a.id());
        assert!(on_a.receiver.failed_dials().is_empty());
    });
}

/// Row 2.
#[test]
fn a_peer_that_came_and_went_can_be_dialed() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let mut member = node.subscribe(TOPIC, &[]);
        let (link, _send, _heard) = raw.join(&node, TOPIC).await;
        assert_eq!(member.up().await, raw.endpoint.id());
        link.0.close(0, b"");
        assert_eq!(member.down().await, (raw.endpoint.id(), DownReason::Lost));
        node.learn(&raw.endpoint);
        member.sender.join(&[raw.endpoint.id()]).await.expect("it is open");
        let mut heard = raw.accept().await;
        let mut stream = heard.heard().await;
        assert!(matches!(stream.next().await, Parsed::Join(_)));
        heard = raw.dial(&node).await;
        assert!(heard.is_open());
    });
}

/// Row 5, our half: a stream that a peer stops.
#[test]
fn a_stopped_stream_is_opened_again_once_and_then_the_peer_is_given_up() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let mut member = node.subscribe(TOPIC, &[]);
        let (link, _send, heard) = raw.join(&node, TOPIC).await;
        member.up().await;
        // Its drop sends STOP_SENDING.
        drop(heard);
        let mut n = 0;
        let mut again = loop {
            member.say(format!("{n}")).await;
            n += 1;
            let soon = Duration::from_millis(100);
            if let Ok(heard) = tokio::time::timeout(soon, link.heard()).await {
                break heard;
            }
        };
        assert_eq!(again.topic, TOPIC, "a header comes first again");
        again.content().await;
        drop(again);
        assert_eq!(link.closed().await, 0);
        assert_eq!(member.down().await, (raw.endpoint.id(), DownReason::Lost));
    });
}

/// Row 5, their half: we stop no stream.
#[test]
fn a_frame_over_the_limit_is_skipped_and_its_stream_goes_on() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let mut member = node.subscribe(TOPIC, &[]);
        let (link, mut send, _heard) = raw.join(&node, TOPIC).await;
        for length in [4097u32, 1024 * 1024] {
            send.write_all(&length.to_be_bytes()).await.expect("the prefix");
            send.write_all(&vec![1; length as usize]).await.expect("the body");
        }
        say(&mut send, &[gossip("after", Some(0))]).await;
        assert_eq!(member.content().await, "after");
        assert_eq!(node.count("frames_oversized"), 2);
        assert!(link.is_open());
        // Within the limit is fine, trailing bytes too.
        let mut body = gossip("full", None).encode();
        body.resize(4096, 0);
        send.write_all(&frame::frame(&body)).await.expect("a frame");
        assert_eq!(member.content().await, "full");
    });
}

/// Row 6.
#[test]
fn a_broadcast_to_neighbors_reaches_lazy_ones() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let mut member = node.subscribe(TOPIC, &[]);
        let (_link, mut send, mut heard) = raw.join(&node, TOPIC).await;
        // After the marker the Prune was heard too.
        say(&mut send, &[Parsed::Prune, gossip("marker", None)]).await;
        assert_eq!(member.content().await, "marker");
        let near = member.sender.broadcast_neighbors("near".into()).await;
        assert_eq!(near.expect("the broadcast"), 1);
        assert_eq!(heard.content().await, ("near".into(), None));
        // A swarm message goes by its id to a lazy neighbor, who may ask for it.
        member.say("far").await;
        let ids = heard.until(|message| match message {
            Parsed::IHave(ids) => Some(ids),
            Parsed::Gossip { .. } => panic!("it is lazy"),
            _ => None,
        });
        let (id, round) = ids.await[0];
        say(&mut send, &[Parsed::Graft { id: Some(id), round }]).await;
        assert_eq!(heard.content().await, ("far".into(), Some(0)));
    });
}

/// Row 7.
#[test]
fn a_peer_that_reads_nothing_slows_nobody_and_is_given_up() {
    run(async {
        let (node, raw, other) = (Node::new(), Raw::new(), Node::new());
        let mut member = node.subscribe(TOPIC, &[]);
        let mut hears = other.subscribe(TOPIC, &[&node.endpoint]);
        hears.up().await;
        member.up().await;
        let begin = Instant::now();
        let (link, _send, _unread) = raw.join(&node, TOPIC).await;
        member.up().await;
        // 6 MB: far more than the windows of the one who does not read.
        for n in 0..1500u32 {
            let mut content = vec![0; 4000];
            content[..4].copy_from_slice(&n.to_be_bytes());
            member.say(content.clone()).await;
            assert_eq!(hears.content().await, content);
        }
        assert!(node.count("queue_dropped_data") > 0);
        let is_open = link.is_open();
        assert!(is_open || begin.elapsed() >= Duration::from_secs(10), "not 10 s yet");
        assert_eq!(member.down().await, (raw.endpoint.id(), DownReason::Lost));
        assert_eq!(link.closed().await, 0);
        assert_eq!(node.count("peers_stalled"), 1);
        member.say("life goes on").await;
        assert_eq!(hears.content().await, "life goes on");
    });
}

/// Row 8: a peer that grants 100 streams, as the reference does.
#[test]
fn topics_beyond_the_stream_credit_take_turns() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let topics: Vec<TopicId> = (0..130).map(|n| TopicId([n; 32])).collect();
        let _members: Vec<_> =
            topics.iter().map(|topic| node.subscribe(*topic, &[&raw.endpoint])).collect();
        let link = raw.accept().await;
        let (mut asked, mut readers) = (HashSet::new(), JoinSet::new());
        while asked.len() < topics.len() {
            let mut heard = link.heard().await;
            assert!(matches!(heard.next().await, Parsed::Join(_)));
            asked.insert(heard.topic);
            // Read to its end, which gives a credit back.
            readers.spawn(async move {
                while let Ok(frame::Next::Body(_)) = heard.frames.next().await {}
            });
        }
        assert!(link.is_open());
        assert_eq!(node.count("open_connections"), 1);
    });
}

/// Section 3.4: there is no tie-break, both sides read all and send on what they learned of last.
#[test]
fn a_newer_connection_is_sent_on_and_the_older_stays_and_is_read() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let mut member = node.subscribe(TOPIC, &[]);
        let (first, mut on_first, mut heard_first) = raw.join(&node, TOPIC).await;
        member.up().await;
        member.say("one").await;
        assert_eq!(heard_first.content().await.0, "one");
        let second = raw.dial(&node).await;
        // The stream on the first is finished as soon as the second is known, whether or not there is more to say.
        let end = heard_first.frames.next().await.expect("the end");
        assert!(matches!(end, frame::Next::End), "{end:?}");
        for text in ["two", "three"] {
            member.say(text).await;
        }
        let mut heard_second = second.heard().await;
        assert_eq!(heard_second.topic, TOPIC);
        assert_eq!(heard_second.content().await.0, "two");
        assert_eq!(heard_second.content().await.0, "three");
        say(&mut on_first, &[gossip("on the old one", Some(0))]).await;
        assert_eq!(member.content().await, "on the old one");
        // The newer goes: nothing is lost but a connection, and the older is sent on again.
        second.0.close(0, b"");
        let mut texts = Vec::new();
        while texts.is_empty() {
            member.say(format!("four {}", rand::random::<u64>())).await;
            let soon = Duration::from_millis(100);
            if let Ok(mut heard) = tokio::time::timeout(soon, first.heard()).await {
                texts.push(heard.content().await.0);
            }
        }
        assert_eq!(member.receiver.neighbors(), [raw.endpoint.id()]);
        assert_eq!(node.count("neighbor_down"), 0);
    });
}

/// Section 3.5: half a header blocks everything that a peer of the reference would read.
#[test]
fn a_header_and_its_first_frame_are_one_write() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let _member = node.subscribe(TOPIC, &[&raw.endpoint]);
        let link = raw.accept().await;
        let mut recv = link.0.quinn().accept_uni().await.expect("a stream");
        let first = recv.read_chunk(1 << 16, false).await.expect("bytes").expect("bytes");
        assert_eq!(&first.bytes[..36], &frame::header(&TOPIC)[..]);
        assert!(first.bytes.len() > 40, "{} bytes came at once", first.bytes.len());
    });
}

/// Section 3.5: streams of different topics are independent.
#[test]
fn a_topic_that_a_peer_does_not_read_delays_no_other() {
    run(async {
        let (node, raw) = (Node::new(), Raw::new());
        let (mut blocked, mut free) = (node.subscribe(TOPIC, &[]), node.subscribe(OTHER, &[]));
        let (link, _send, _unread) = raw.join(&node, TOPIC).await;
        blocked.up().await;
        let _also = link.say(&OTHER, &[Parsed::Join(None)]).await;
        let mut heard = link.heard().await;
        free.up().await;
        // More than the window of a stream and the queue together, and then no time is lost: after 10 s without a byte taken
        // the peer would be given up.
        for n in 0u32.. {
            let mut content = vec![0; 4000];
            content[..4].copy_from_slice(&n.to_be_bytes());
            blocked.say(content).await;
            if node.count("queue_dropped_data") > 0 {
                break;
            }
        }
        for n in 0..50 {
            free.say(format!("{n}")).await;
            assert_eq!(heard.content().await.0, format!("{n}"));
        }
        assert!(link.is_open());
    });
}
