//! Many nodes of one topic, with a clock and a network of their own.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
    time::Duration,
};

use bytes::Bytes;
use iroh_gossip::proto::{
    DeliveryScope, Scope,
    state::MessageKind,
    topic::{Command, Config, Event, InEvent, Message, OutEvent, State, Timer},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;

/// One way of a packet, in milliseconds.
const LATENCY_MS: std::ops::Range<u64> = 10..50;

/// A node, by number.
pub type Id = u32;

/// What happens at a node at some time.
enum Happening {
    Message(Id, Message<Id>),
    Timer(Timer<Id>),
    /// A neighbor vanished, or a dial failed.
    Lost(Id),
}

struct Node {
    state: State<Id, StdRng>,
    neighbors: BTreeSet<Id>,
}

/// How one broadcast went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    /// Nodes that should have it and don't.
    pub missed: usize,
    /// Payloads that came to somebody, copies too, for each delivery, less one: 0 is a perfect tree.
    pub redundancy: f64,
    /// Hops to the node with the longest way.
    pub hops: u16,
    /// Until the last node has it.
    pub last: Duration,
}

/// A swarm. Everything in it follows from its seed.
pub struct Swarm {
    nodes: HashMap<Id, Node>,
    /// By time and then by number: what was put in first comes first.
    due: BinaryHeap<Reverse<(Duration, u64, Id)>>,
    happenings: HashMap<u64, Happening>,
    next: u64,
    /// Packets of a pair do not overtake each other.
    links: HashMap<(Id, Id), Duration>,
    start: Instant,
    now: Duration,
    random: StdRng,
    content: u64,
    payloads: usize,
    received: HashMap<Id, (u16, Duration)>,
}

impl Swarm {
    /// `size` nodes that join one after the other, each by one that is there, and then have three minutes.
    pub fn new(size: u32, seed: u64) -> Self {
        let mut swarm = Self {
            nodes: HashMap::new(),
            due: BinaryHeap::new(),
            happenings: HashMap::new(),
            next: 0,
            links: HashMap::new(),
            start: Instant::now(),
            now: Duration::ZERO,
            random: StdRng::seed_from_u64(seed),
            content: 0,
            payloads: 0,
            received: HashMap::new(),
        };
        for id in 0..size {
            let random = StdRng::seed_from_u64(swarm.random.random());
            let state = State::with_rng(id, None, Config::default(), random);
            swarm.nodes.insert(id, Node { state, neighbors: BTreeSet::new() });
            let bootstrap =
                if id == 0 { Vec::new() } else { vec![swarm.random.random_range(0..id)] };
            swarm.handle(id, InEvent::Command(Command::Join(bootstrap)));
            swarm.run(Duration::from_millis(20));
        }
        swarm.run(Duration::from_secs(180));
        swarm
    }

    /// The nodes that are there, in order.
    pub fn ids(&self) -> Vec<Id> {
        let mut ids: Vec<_> = self.nodes.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// One of them.
    pub fn any(&mut self) -> Id {
        let ids = self.ids();
        ids[self.random.random_range(0..ids.len())]
    }

    /// So many vanish at once, without a word; their neighbors notice one latency later.
    pub fn vanish(&mut self, count: usize) {
        for _ in 0..count {
            let id = self.any();
            let Some(node) = self.nodes.remove(&id) else { continue };
            for neighbor in node.neighbors {
                self.send(id, neighbor, Happening::Lost(id));
            }
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// A message of `from` to all, of which nobody has heard before; 10 s are given.
    pub fn broadcast(&mut self, from: Id) -> Round {
        self.content += 1;
        self.received.clear();
        self.payloads = 0;
        let begun = self.now;
        let content = Bytes::copy_from_slice(&self.content.to_le_bytes());
        self.handle(from, InEvent::Command(Command::Broadcast(content, Scope::Swarm)));
        self.run(Duration::from_secs(10));
        let delivered = self.received.len();
        let hops = self.received.values().map(|(round, _)| round + 1).max().unwrap_or(0);
        let last = self.received.values().map(|(_, at)| *at - begun).max().unwrap_or_default();
        #[allow(clippy::cast_precision_loss, reason = "some thousands")]
        let redundancy = self.payloads as f64 / delivered.max(1) as f64 - 1.0;
        Round { missed: self.nodes.len() - 1 - delivered, redundancy, hops, last }
    }

    fn step(&mut self) {
        let Some(Reverse((at, number, id))) = self.due.pop() else { return };
        self.now = at;
        let Some(happening) = self.happenings.remove(&number) else { return };
        if !self.nodes.contains_key(&id) {
            // Whoever writes to a node that is gone hears of it.
            if let Happening::Message(from, _) = happening {
                self.send(id, from, Happening::Lost(id));
            }
            return;
        }
        match happening {
            Happening::Message(from, message) => {
                self.payloads += usize::from(matches!(message.kind(), MessageKind::Data));
                self.handle(id, InEvent::RecvMessage(from, message));
            }
            Happening::Timer(timer) => self.handle(id, InEvent::TimerExpired(timer)),
            Happening::Lost(peer) => self.handle(id, InEvent::PeerDisconnected(peer)),
        }
    }

    fn handle(&mut self, id: Id, event: InEvent<Id>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let events: Vec<_> = node.state.handle(event, self.start + self.now).collect();
        for event in events {
            match event {
                OutEvent::SendMessage(to, message) => {
                    self.send(id, to, Happening::Message(id, message))
                }
                OutEvent::ScheduleTimer(after, timer) => {
                    self.put(self.now + after, id, Happening::Timer(timer))
                }
                OutEvent::EmitEvent(event) => self.hear(id, event),
                OutEvent::DisconnectPeer(_) | OutEvent::PeerData(..) => {}
            }
        }
    }

    fn hear(&mut self, id: Id, event: Event<Id>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        match event {
            Event::NeighborUp(peer) => drop(node.neighbors.insert(peer)),
            Event::NeighborDown(peer) => drop(node.neighbors.remove(&peer)),
            Event::Received(received) => {
                if received.content[..] == self.content.to_le_bytes() {
                    self.received.insert(id, (round(&received.scope), self.now));
                }
            }
        }
    }

    fn send(&mut self, from: Id, to: Id, happening: Happening) {
        let latency = Duration::from_millis(self.random.random_range(LATENCY_MS));
        let last = self.links.entry((from, to)).or_default();
        let at = (self.now + latency).max(*last);
        *last = at;
        self.put(at, to, happening);
    }

    fn put(&mut self, at: Duration, id: Id, happening: Happening) {
        self.due.push(Reverse((at, self.next, id)));
        self.happenings.insert(self.next, happening);
        self.next += 1;
    }
}

/// The crate keeps the number to itself; its bytes are the tag and a varint.
fn round(scope: &DeliveryScope) -> u16 {
    let bytes = postcard::to_allocvec(scope).unwrap_or_default();
    bytes.get(1..).and_then(|rest| postcard::from_bytes(rest).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of means are those of the reference's own tests, where senders change: fewer than 18 hops, less than one
    /// copy too many. The first message of a tree floods it.
    #[test]
    fn two_hundred_nodes_hear_everything_also_after_a_third_is_gone() {
        for seed in 1..=3 {
            let mut swarm = Swarm::new(200, seed);
            for gone in [0, 60] {
                swarm.vanish(gone);
                let (mut hops, mut redundancy) = (0.0, 0.0);
                for _ in 0..31 {
                    let from = swarm.any();
                    let round = swarm.broadcast(from);
                    assert_eq!(round.missed, 0, "seed {seed}, {gone} gone: {round:?}");
                    hops += f64::from(round.hops) / 31.0;
                    redundancy += round.redundancy / 31.0;
                }
                assert!(hops < 18.0 && redundancy < 1.0, "seed {seed}: {hops} {redundancy}");
            }
        }
    }

    #[test]
    fn a_seed_makes_the_same_swarm_again() {
        let rounds = |seed| {
            let mut swarm = Swarm::new(50, seed);
            (0..5).map(|id| format!("{:?}", swarm.broadcast(id))).collect::<Vec<_>>()
        };
        assert_eq!(rounds(7), rounds(7));
        assert_ne!(rounds(7), rounds(8));
    }
}
