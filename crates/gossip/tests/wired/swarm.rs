//! Swarms of honest nodes.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use futures_util::future::join_all;
use gaiwan_base::{EndpointId, ErrorCode, SecretKey};
use gaiwan_endpoint::{BoxFuture, Connection, DialOptions, Endpoint, Failure};
use gaiwan_gossip::{ALPN, Accept, Dial, DownReason, Event, GossipOptions, Limits, Scope, TopicId};

use crate::peers::{Member, Node, OTHER, TOPIC, address, bind, bind_again, pair, run};

#[test]
fn two_nodes_hear_each_other() {
    run(async {
        let (a, mut on_a, b, mut on_b) = pair(TOPIC).await;
        assert!(on_a.receiver.is_joined());
        assert_eq!(on_a.receiver.neighbors(), [b.id()]);
        on_a.receiver.joined().await.expect("there is a neighbor");
        assert_eq!(on_a.say("tea").await, 1);
        assert_eq!(on_b.received().await, (Bytes::from("tea"), a.id(), Scope::Swarm(0)));
        on_b.sender.broadcast_neighbors(Bytes::from("milk")).await.expect("the broadcast");
        assert_eq!(on_a.received().await, (Bytes::from("milk"), b.id(), Scope::Neighbors));
        let (up, data) = (a.count("neighbor_up"), a.count("msgs_data_sent"));
        assert_eq!((up, data, a.count("open_connections")), (1, 1, 1));
        // 2 tags, 32 of id, length, 3 of content, scope and round; and 32 of topic.
        assert_eq!(a.count("msgs_data_sent_size"), 40 + 32);
        assert_eq!(b.count("msgs_data_recv_size"), 40 + 32);
    });
}

/// Refuses one peer, whom it learns later.
#[derive(Default)]
struct AllBut(OnceLock<EndpointId>);

impl Accept for AllBut {
    fn accept(&self, remote: EndpointId) -> BoxFuture<'_, bool> {
        let is_welcome = self.0.get() != Some(&remote);
        Box::pin(async move { is_welcome })
    }
}

/// Lets nobody in until it is open.
#[derive(Default)]
struct Gate(AtomicBool);

impl Accept for Gate {
    fn accept(&self, _remote: EndpointId) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(self.0.load(Relaxed)))
    }
}

/// Two neighbors, of whom the first keeps 64 frames for the other.
async fn short_queue() -> (Node, Member, Node, Member) {
    let limits = Limits { max_queued_frames: 64, ..Limits::default() };
    let options = GossipOptions { limits, ..GossipOptions::default() };
    let (a, b) = (Node::with(options), Node::new());
    let on_b = b.subscribe(TOPIC, &[]);
    let mut on_a = a.subscribe(TOPIC, &[&b.endpoint]);
    on_a.up().await;
    (a, on_a, b, on_b)
}

#[test]
fn who_says_more_than_a_queue_holds_waits_and_loses_nothing() {
    run(async {
        const COUNT: usize = 1000;
        let (a, on_a, _b, mut on_b) = short_queue().await;
        let say = join_all((0..COUNT).map(|n| on_a.sender.broadcast(format!("{n}").into())));
        let hear = async {
            // Calls that wait at the same time are in no order.
            let mut missing: HashSet<String> = (0..COUNT).map(|n| format!("{n}")).collect();
            while !missing.is_empty() {
                let content = on_b.content().await;
                let text = std::str::from_utf8(&content).expect("a number");
                assert!(missing.remove(text), "{text} came twice");
            }
        };
        let (counts, ()) = tokio::join!(say, hear);
        assert!(counts.into_iter().all(|count| count.expect("the broadcast") == 1));
        assert_eq!(a.count("queue_dropped_data"), 0);
    });
}

#[test]
fn what_waits_for_a_slow_neighbor_is_said_before_the_topic_is_left() {
    run(async {
        const COUNT: usize = 40;
        let (a, on_a, _b, mut on_b) = short_queue().await;
        // Polled in order: all messages are in the queue of the topic before its end is.
        let say = join_all((0..COUNT).map(|n| on_a.sender.broadcast(format!("{n}").into())));
        let close = async { tokio::join!(on_a.sender.close(), on_a.receiver.close()) };
        let (counts, _) = tokio::join!(biased; say, close);
        assert!(counts.into_iter().all(|count| count.expect("the broadcast") == 1));
        for n in 0..COUNT {
            assert_eq!(on_b.content().await, format!("{n}"));
        }
        assert_eq!(on_b.down().await, (a.id(), DownReason::Left));
    });
}

#[test]
fn a_message_travels_along_a_line_and_counts_its_hops() {
    run(async {
        // The ends do not let each other in, whatever the middle tells them of the other.
        let hooks = [Arc::new(AllBut::default()), Arc::new(AllBut::default())];
        let end = |hook: &Arc<AllBut>| {
            let accept: Arc<dyn Accept> = hook.clone();
            Node::with(GossipOptions { accept: Some(accept), ..GossipOptions::default() })
        };
        let (one, middle, other) = (end(&hooks[0]), Node::new(), end(&hooks[1]));
        hooks[0].0.set(other.id()).expect("set once");
        hooks[1].0.set(one.id()).expect("set once");
        let mut on_middle = middle.subscribe(TOPIC, &[]);
        let mut on_one = one.subscribe(TOPIC, &[&middle.endpoint]);
        assert_eq!(on_one.up().await, middle.id());
        let mut on_other = other.subscribe(TOPIC, &[&middle.endpoint]);
        assert_eq!(on_other.up().await, middle.id());
        assert_eq!(on_middle.up().await, one.id());
        assert_eq!(on_middle.up().await, other.id());
        for n in 0..50 {
            let content = Bytes::from(format!("{n}"));
            on_one.say(content.clone()).await;
            let direct = (content.clone(), one.id(), Scope::Swarm(0));
            assert_eq!(on_middle.received().await, direct);
            assert_eq!(on_other.received().await, (content, middle.id(), Scope::Swarm(1)));
        }
    });
}

#[test]
fn crossed_joins_keep_both_ways() {
    run(async {
        let (a, b) = (Node::new(), Node::new());
        let mut on_a = a.subscribe(TOPIC, &[&b.endpoint]);
        let mut on_b = b.subscribe(TOPIC, &[&a.endpoint]);
        on_a.up().await;
        on_b.up().await;
        for n in 0..20 {
            on_a.say(format!("a{n}")).await;
            on_b.say(format!("b{n}")).await;
        }
        let hear = async |member: &mut Member, who: &str| {
            let wanted: HashSet<Bytes> = (0..20).map(|n| format!("{who}{n}").into()).collect();
            let mut all = HashSet::new();
            while all != wanted {
                all.insert(member.content().await);
            }
        };
        hear(&mut on_b, "a").await;
        hear(&mut on_a, "b").await;
        assert!(a.count("open_connections") <= 2);
    });
}

#[test]
fn a_join_before_the_other_subscribes_is_repeated() {
    run(async {
        let (a, b) = (Node::new(), Node::new());
        let mut on_a = a.subscribe(TOPIC, &[&b.endpoint]);
        // The first Join is on its way or ignored by now; nothing of the protocol would repeat it.
        let mut other = b.subscribe(OTHER, &[&a.endpoint]);
        let _on_a = a.subscribe(OTHER, &[]);
        other.up().await;
        let mut on_b = b.subscribe(TOPIC, &[]);
        assert_eq!(on_a.up().await, b.id());
        assert_eq!(on_b.up().await, a.id());
    });
}

#[test]
fn swarms_that_know_of_each_other_become_one_and_nobody_is_evicted_for_it() {
    run(async {
        let gate = Arc::new(Gate::default());
        let [a, b, d] = [(); 3].map(|()| Node::new());
        let c =
            Node::with(GossipOptions { accept: Some(gate.clone()), ..GossipOptions::default() });
        let mut on_b = b.subscribe(TOPIC, &[]);
        // `c` refuses that Join, and with a neighbor nobody asks again for one.
        let mut on_a = a.subscribe(TOPIC, &[&b.endpoint, &c.endpoint]);
        assert_eq!(on_a.up().await, b.id());
        assert_eq!(on_b.up().await, a.id());
        let mut on_d = d.subscribe(TOPIC, &[]);
        let mut on_c = c.subscribe(TOPIC, &[&d.endpoint]);
        assert_eq!(on_c.up().await, d.id());
        assert_eq!(on_d.up().await, c.id());
        gate.0.store(true, Relaxed);
        // Both ends of the first edge between them.
        tokio::join!(
            async {
                tokio::select! { _ = on_a.up() => {} _ = on_b.up() => {} }
            },
            async {
                tokio::select! { _ = on_c.up() => {} _ = on_d.up() => {} }
            },
        );
        on_b.say("one").await;
        let heard = tokio::join!(on_a.content(), on_c.content(), on_d.content());
        assert_eq!([heard.0, heard.1, heard.2], ["one"; 3]);
        for node in [&a, &b, &c, &d] {
            assert_eq!(node.count("neighbor_down"), 0);
        }
    });
}

#[test]
fn a_second_subscriber_is_told_of_the_neighbors_and_hears_too() {
    run(async {
        let (a, on_a, b, mut on_b) = pair(TOPIC).await;
        let mut again = a.subscribe(TOPIC, &[]);
        assert_eq!(again.up().await, b.id());
        on_b.say("both").await;
        assert_eq!(again.content().await, "both");
        // The topic stays while one half of one subscription is open.
        on_a.leave().await;
        again.sender.close().await;
        on_b.say("still").await;
        assert_eq!(again.content().await, "still");
        again.receiver.close().await;
        assert_eq!(on_b.down().await, (a.id(), DownReason::Left));
    });
}

#[test]
fn content_has_a_limit_and_what_fits_arrives() {
    run(async {
        let (_a, on_a, _b, mut on_b) = pair(TOPIC).await;
        on_a.say(vec![1; 4055]).await;
        assert_eq!(on_b.content().await.len(), 4055);
        let refused = on_a.sender.broadcast(Bytes::from(vec![1; 4056])).await;
        assert_eq!(refused.expect_err("too large").code, ErrorCode::MessageTooLarge);
        // It cost nothing: the link goes on.
        on_a.say("next").await;
        assert_eq!(on_b.content().await, "next");
    });
}

#[test]
fn equal_content_is_delivered_once() {
    run(async {
        let (_a, on_a, _b, mut on_b) = pair(TOPIC).await;
        for content in ["same", "same", "other"] {
            on_a.say(content).await;
        }
        assert_eq!(on_b.content().await, "same");
        assert_eq!(on_b.content().await, "other");
    });
}

#[test]
fn who_reads_nothing_loses_messages_and_is_told_how_many() {
    run(async {
        let (a, b) = (Node::new(), Node::new());
        let (sender, receiver) = b.gossip.subscribe(TOPIC, &[], 4).expect("a subscription");
        let mut probe = b.subscribe(TOPIC, &[]);
        let mut on_a = a.subscribe(TOPIC, &[&b.endpoint]);
        on_a.up().await;
        for n in 0..10 {
            on_a.say(format!("{n}")).await;
        }
        for _ in 0..10 {
            probe.content().await;
        }
        let events = receiver.next(100, 1000).await.expect("events");
        let lagged = events.iter().find_map(|event| match event {
            Event::Lagged(missed) => Some(*missed),
            _ => None,
        });
        assert_eq!(events[0], Event::NeighborUp(a.id()));
        assert_eq!((lagged, events.len()), (Some(7), 5));
        assert_eq!(b.count("lagged_events"), 7);
        drop((sender, receiver));
    });
}

#[test]
fn topics_by_the_hundred_share_one_connection() {
    run(async {
        let (a, b) = (Node::new(), Node::new());
        let topics: Vec<TopicId> = (0..130).map(|n| TopicId([n; 32])).collect();
        let mut on_b: Vec<Member> = topics.iter().map(|topic| b.subscribe(*topic, &[])).collect();
        let mut on_a: Vec<Member> =
            topics.iter().map(|topic| a.subscribe(*topic, &[&b.endpoint])).collect();
        join_all(on_a.iter_mut().map(Member::up)).await;
        join_all(on_b.iter_mut().map(Member::up)).await;
        for (n, member) in on_a.iter().enumerate() {
            member.say(format!("to {n}")).await;
        }
        for (n, member) in on_b.iter_mut().enumerate() {
            assert_eq!(member.content().await, format!("to {n}"));
        }
        assert_eq!((a.count("open_connections"), b.count("open_connections")), (1, 1));
    });
}

#[test]
fn a_peer_that_is_restarted_with_its_key_is_found_again() {
    run(async {
        let key = SecretKey::generate();
        let endpoint = bind(&key, 0);
        let port = address(&endpoint).port();
        let b = Node::on(endpoint, GossipOptions::default());
        let a = Node::new();
        let mut on_b = b.subscribe(TOPIC, &[]);
        let mut on_a = a.subscribe(TOPIC, &[&b.endpoint]);
        on_a.up().await;
        on_b.up().await;
        // As if its process died, but that its socket says goodbye.
        b.endpoint.close().await;
        assert_eq!(on_a.down().await, (b.id(), DownReason::Lost));
        drop((b, on_b));
        let b = Node::on(bind_again(&key, port).await, GossipOptions::default());
        let mut on_b = b.subscribe(TOPIC, &[]);
        assert_eq!(on_a.up().await, b.id());
        on_b.up().await;
        on_a.say("welcome back").await;
        assert_eq!(on_b.content().await, "welcome back");
    });
}

/// Looks addresses up somewhere else.
struct Lookup {
    endpoint: Endpoint,
    target: Endpoint,
    asked: Mutex<Vec<EndpointId>>,
}

impl Dial for Lookup {
    fn dial(
        &self,
        id: EndpointId,
        _addresses: Vec<SocketAddr>,
    ) -> BoxFuture<'_, Result<Connection, Failure>> {
        self.asked.lock().expect("no panic").push(id);
        Box::pin(async move {
            let (to, alpns) = ([address(&self.target)], [Bytes::from_static(ALPN)]);
            self.endpoint.connect(id, &to, &alpns, DialOptions::default()).await
        })
    }
}

#[test]
fn a_peer_without_a_known_address_is_asked_of_the_hook() {
    run(async {
        let b = Node::new();
        let mut on_b = b.subscribe(TOPIC, &[]);
        let endpoint = bind(&SecretKey::generate(), 0);
        let (target, asked) = (b.endpoint.clone(), Mutex::default());
        let lookup = Arc::new(Lookup { endpoint: endpoint.clone(), target, asked });
        let dial: Arc<dyn Dial> = lookup.clone();
        let a = Node::on(endpoint, GossipOptions { dial: Some(dial), ..GossipOptions::default() });
        let (_sender, receiver) = a.gossip.subscribe(TOPIC, &[b.id()], 16).expect("a topic");
        receiver.joined().await.expect("a neighbor");
        assert_eq!(on_b.up().await, a.id());
        assert_eq!(*lookup.asked.lock().expect("no panic"), [b.id()]);
    });
}
