//! The golden bytes of `vectors/gossip.json`.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use gaiwan_base::EndpointId;
use gaiwan_gossip::{
    TopicId, max_content_bytes,
    proto::{
        PeerId, frame,
        message::{Message, Parsed},
        peer_data::PeerData,
    },
};
use iroh_gossip::proto::{
    Scope,
    topic::{Command, Config, Event, InEvent, OutEvent, State},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::time::Instant;

fn vectors() -> Value {
    let text = include_str!("../../../vectors/gossip.json");
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn hex(value: &Value) -> Bytes {
    let text = value.as_str().expect("a text");
    HEXLOWER.decode(text.as_bytes()).expect("hex").into()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn topic(vectors: &Value) -> TopicId {
    TopicId(hex(&vectors["stream_header"]["topic"])[..].try_into().expect("32 bytes"))
}

#[test]
fn the_alpn_and_the_header_are_those_of_the_reference() {
    let vectors = vectors();
    assert_eq!(hex(&vectors["alpn"]["hex"]), gaiwan_gossip::ALPN);
    assert_eq!(frame::header(&topic(&vectors)), hex(&vectors["stream_header"]["frame"]));
}

#[test]
fn every_peer_data_is_read_and_written_back() {
    let vectors = vectors();
    for case in list(&vectors["peer_data"]) {
        let bytes = hex(&case["hex"]);
        let addresses = list(&case["direct_addresses"]).iter();
        let parse = |text: &Value| text.as_str().expect("a text").parse().expect("an address");
        let relay_url = case["relay_url"].as_str().map(str::to_owned);
        let data = PeerData { relay_url, addresses: addresses.map(parse).collect() };
        assert_eq!(PeerData::decode(&bytes), Ok(data.clone()), "{}", case["name"]);
        assert_eq!(data.encode(), bytes, "{}", case["name"]);
        let mut shuffled = data;
        shuffled.addresses.reverse();
        shuffled.addresses.extend(shuffled.addresses.clone());
        assert_eq!(shuffled.encode(), bytes, "{}: order and doubles do not matter", case["name"]);
    }
}

#[test]
fn every_message_is_read_and_written_back() {
    let vectors = vectors();
    let mut kinds = HashSet::new();
    for case in list(&vectors["messages"]) {
        let (name, body) = (case["name"].as_str().expect("a name"), hex(&case["body"]));
        let parsed = Parsed::decode(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        kinds.insert(std::mem::discriminant(&parsed));
        assert_eq!(parsed.encode(), body, "{name}");
        assert_eq!(frame::frame(&body), hex(&case["frame"]), "{name}");
        let message = parsed.message(&body).expect("the reference's own type takes it");
        assert_eq!(postcard::to_allocvec(&message).expect("bytes"), body, "{name}");
        assert_eq!(Some(message.is_disconnect()), case["is_last_on_stream"].as_bool(), "{name}");
        for cut in 0..body.len() {
            assert!(Parsed::decode(&body.slice(..cut)).is_err(), "{name} cut to {cut} bytes");
        }
    }
    assert_eq!(kinds.len(), 10, "all kinds of messages are there");
}

#[test]
fn the_decoder_gives_the_verdicts_of_the_reference() {
    for case in list(&vectors()["decoder_cases"]) {
        let accepted = case["reference_accepts"].as_bool().expect("a verdict");
        assert_eq!(Parsed::decode(&hex(&case["body"])).is_ok(), accepted, "{}", case["name"]);
    }
}

/// Bytes of the vectors, changed at random places: our verdict is that of the reference's own types, but for ids that
/// are no points, which only our `EndpointId` checks.
#[test]
fn mutated_messages_get_the_verdict_of_the_reference() {
    let vectors = vectors();
    let mut rng = StdRng::seed_from_u64(9);
    let bodies: Vec<Bytes> =
        list(&vectors["messages"]).iter().map(|case| hex(&case["body"])).collect();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..40_000 {
        let mut body = bodies[rng.random_range(0..bodies.len())].to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..body.len().min(200));
            match rng.random_range(0..3) {
                0 => body[at] = rng.random(),
                1 => body[at] ^= 1 << rng.random_range(0..8),
                _ => body.insert(at, rng.random()),
            }
        }
        let body = Bytes::from(body);
        let theirs = postcard::from_bytes::<Message>(&body);
        match Parsed::decode(&body) {
            Ok(ours) => {
                taken += 1;
                let message = ours.message(&body).expect("the reference takes what we take");
                assert!(theirs.is_ok(), "{body:?}");
                // The obsolete flag of a Disconnect is read and not kept.
                if !message.is_disconnect() {
                    assert_eq!(theirs.as_ref(), Ok(&message), "{body:?}");
                }
            }
            Err(_) => {
                refused += 1;
                let names_ids = body.first() == Some(&0) || body.first() == Some(&0x80);
                assert!(theirs.is_err() || names_ids, "{body:?}");
            }
        }
    }
    assert!(taken > 1000 && refused > 1000, "{taken} and {refused}");
}

#[test]
fn contents_have_the_limits_of_the_reference() {
    for case in list(&vectors()["payload_limits"]) {
        let number = |name: &str| case[name].as_u64().expect("a number") as usize;
        let (limit, largest) = (number("max_message_size"), number("largest_content_any_round"));
        assert_eq!(max_content_bytes(limit), largest);
        for (round, name) in
            [(127, "largest_content_round_lt_128"), (16_383, "largest_content_round_lt_16384")]
        {
            let content = Bytes::from(vec![0; number(name)]);
            let body = Parsed::Gossip { id: [0; 32], content, scope: Some(round) }.encode();
            assert_eq!(body.len(), limit - 1, "{name} of {limit}");
        }
    }
}

/// Two states that talk to each other, and what they say in the words of the vectors.
struct Pair {
    topic: TopicId,
    ids: [PeerId; 2],
    states: [State<PeerId, StdRng>; 2],
    opened: [bool; 2],
    log: Vec<Value>,
    wire: VecDeque<(usize, Bytes)>,
}

const NAMES: [&str; 2] = ["A", "B"];

impl Pair {
    fn feed(&mut self, at: usize, event: InEvent<PeerId>) {
        let out: Vec<_> = self.states[at].handle(event, Instant::now()).collect();
        for event in out {
            let name = NAMES[at];
            let line = match event {
                OutEvent::SendMessage(_, message) => self.send(at, &message),
                OutEvent::ScheduleTimer(after, timer) => {
                    let after = u64::try_from(after.as_millis()).expect("short");
                    serde_json::json!({"timer_at": name, "after_ms": after, "timer": format!("{timer:?}")})
                }
                OutEvent::EmitEvent(event) => {
                    serde_json::json!({"event_at": name, "event": self.text(&event)})
                }
                OutEvent::DisconnectPeer(_) => {
                    serde_json::json!({"disconnect_peer_at": name, "peer": NAMES[1 - at]})
                }
                OutEvent::PeerData(_, data) => {
                    let data = HEXLOWER.encode(data.as_bytes());
                    serde_json::json!({"peer_data_at": name, "peer": NAMES[1 - at], "data": data})
                }
            };
            self.log.push(line);
        }
    }

    fn send(&mut self, at: usize, message: &Message) -> Value {
        let body = Bytes::from(postcard::to_allocvec(message).expect("bytes"));
        let mut bytes = Vec::new();
        if !std::mem::replace(&mut self.opened[at], true) {
            bytes.extend(frame::header(&self.topic));
        }
        bytes.extend(frame::frame(&body));
        self.wire.push_back((1 - at, body));
        serde_json::json!({
            "send": NAMES[at], "to": NAMES[1 - at], "bytes": HEXLOWER.encode(&bytes),
            "then_finish_stream": message.is_disconnect(),
        })
    }

    fn text(&self, event: &Event<PeerId>) -> String {
        let mut text = format!("{event:?}");
        for (id, name) in self.ids.iter().zip(NAMES) {
            text = text.replace(&format!("{id:?}"), name);
        }
        text
    }

    /// Delivers what is under way, through our own decoder.
    fn settle(&mut self) {
        while let Some((to, body)) = self.wire.pop_front() {
            let message = Parsed::decode(&body).expect("a message").message(&body).expect("one");
            self.feed(to, InEvent::RecvMessage(self.ids[1 - to], message));
        }
    }
}

#[test]
fn the_transcript_is_what_two_states_say() {
    let vectors = vectors();
    let key = |name: &str| {
        let id = EndpointId::try_from(&hex(&vectors["keys"][name])[..]).expect("a key");
        PeerId::from(id)
    };
    let ids = [key("A"), key("B")];
    let data =
        ["000100c0000201d122", "0000"].map(|text| HEXLOWER.decode(text.as_bytes()).expect("hex"));
    let state = |at: usize| {
        let data = Some(iroh_gossip::proto::PeerData::new(data[at].clone()));
        State::with_rng(ids[at], data, Config::default(), StdRng::seed_from_u64(at as u64))
    };
    let states = [state(0), state(1)];
    let (log, wire) = (Vec::new(), VecDeque::new());
    let mut pair = Pair { topic: topic(&vectors), ids, states, opened: [false; 2], log, wire };
    let content = Bytes::from_static(b"hello gossip");
    for step in list(&vectors["transcript"]) {
        let Some(what) = step["do"].as_str() else { continue };
        let (at, command) = match what {
            "B subscribes without bootstrap" => (1, Command::Join(Vec::new())),
            "A subscribes with bootstrap B" => (0, Command::Join(vec![ids[1]])),
            "A broadcasts" => (0, Command::Broadcast(content.clone(), Scope::Swarm)),
            "B broadcasts the same content within the retention time" => {
                (1, Command::Broadcast(content.clone(), Scope::Swarm))
            }
            "A broadcasts to neighbors only" => {
                (0, Command::Broadcast(Bytes::from_static(b"near"), Scope::Neighbors))
            }
            "A leaves the topic" => (0, Command::Quit),
            other => panic!("the transcript has a step that this test does not know: {other}"),
        };
        pair.feed(at, InEvent::Command(command));
        pair.settle();
    }
    let expected: Vec<&Value> =
        list(&vectors["transcript"]).iter().filter(|step| step["do"].is_null()).collect();
    assert_eq!(pair.log.iter().collect::<Vec<_>>(), expected);
}
