//! The table of peers and what topics do with it.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};

use gaiwan_base::{EndpointId, ErrorCode};
use gaiwan_endpoint::{Connection, Failure, Side};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Net, dial,
    guard::{Bucket, Guard, Level},
    lane,
    link::Link,
    peer::Peer,
    queue::{Lane, Outgoing, Pushed},
};
use crate::{
    lock,
    metrics::count,
    proto::{PeerId, TopicId, frame::PREFIX},
    topic::closed,
};

/// Frames and bytes that wait for a peer while there is no connection to it.
const DIALING: (usize, usize) = (64, 256 * 1024);
/// How long any peer that is behind may take nothing before our own messages go on without it. What they wait longer is
/// counted (`Guard::patience`), so a peer that reads slowly on purpose can hold them down to one write of its stream, 16 KiB
/// or 32 frames, each time, and no further.
const USUAL: Duration = Duration::from_millis(100);
/// Dials a second to peers that gossip told of.
const STRANGERS: Bucket = Bucket { rate: 4.0, burst: 4.0 };
/// Milliseconds after which the oldest connection of a peer gives way to one too many.
const GIVES_WAY: u64 = 10_000;

/// Peers, and what outlives them.
pub(crate) struct Table {
    pub(crate) peers: HashMap<PeerId, Peer>,
    /// Kept a while when the peer is gone, so that a reconnect forgives nothing.
    pub(crate) guards: HashMap<PeerId, Arc<Mutex<Guard>>>,
    pub(crate) slots: Level,
    open: usize,
    tasks: u64,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            peers: HashMap::new(),
            guards: HashMap::new(),
            slots: Level::full(STRANGERS, Instant::now()),
            open: 0,
            tasks: 0,
        }
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.peers.values().flat_map(|peer| &peer.links)
    }
}

impl Net {
    /// Queues a frame for a peer, and dials it if there is no connection. Never waits.
    pub(crate) fn send(self: &Arc<Self>, topic: &TopicId, peer: PeerId, outgoing: Outgoing) {
        if peer == self.me {
            return;
        }
        let (is_data, body) = (outgoing.is_data, outgoing.frame.len() - PREFIX);
        let now = Instant::now();
        let mut table = lock(&self.table);
        let table = &mut *table;
        let entry = match table.peers.entry(peer) {
            hash_map::Entry::Occupied(entry) => entry.into_mut(),
            hash_map::Entry::Vacant(entry) => {
                let Some(id) = peer.endpoint_id() else { return };
                entry.insert(Peer::new(id))
            }
        };
        self.metrics.sent(is_data, body);
        entry.hold(*topic, now);
        let mut limits = self.queue_limits();
        if entry.links.is_empty() {
            limits = (limits.0.min(DIALING.0), limits.1.min(DIALING.1));
        }
        let was_behind = entry.queue.is_half_full(limits);
        match entry.queue.push(*topic, outgoing, limits, now) {
            Pushed::Waits { dropped, is_full } => {
                self.metrics.queue_dropped_data.fetch_add(dropped, Relaxed);
                if is_full {
                    entry.full_since.get_or_insert(now);
                }
            }
            Pushed::Hopeless => {
                count(&self.metrics.peers_stalled);
                entry.links.iter().for_each(|link| link.fail());
            }
        }
        if !was_behind && entry.queue.is_half_full(limits) {
            entry.behind = Some(now);
        }
        if entry.links.is_empty() {
            self.dial(peer, entry);
        } else if let Some(lane) = entry.queue.lanes.get_mut(topic) {
            self.start(peer, *topic, lane, &mut table.tasks);
        }
    }

    fn queue_limits(&self) -> (usize, usize) {
        let limits = &self.options.limits;
        (limits.max_queued_frames, limits.max_queued_bytes)
    }

    /// Whether one of these peers is behind and catching up; if so, until when it is waited for if it takes no more.
    pub(crate) fn crowded<'a>(&self, peers: impl Iterator<Item = &'a PeerId>) -> Option<Instant> {
        let now = Instant::now();
        let table = lock(&self.table);
        let until = |peer: &PeerId| {
            let entry = table.peers.get(peer)?;
            let since = entry.behind?;
            let extra = entry.links.first().map(|link| lock(&link.guard).patience(since));
            Some(since + USUAL + extra.unwrap_or_default())
        };
        peers.filter_map(until).filter(|until| *until > now).min()
    }

    /// A peer took frames.
    pub(crate) fn note_taken(&self, entry: &mut Peer, now: Instant) {
        entry.full_since = None;
        let waited = entry.behind.map(|since| now - since).unwrap_or_default();
        if let (Some(extra), Some(link)) = (waited.checked_sub(USUAL), entry.links.first()) {
            lock(&link.guard).waited(extra, now);
        }
        if entry.queue.is_half_full(self.queue_limits()) {
            entry.behind = Some(now);
        } else if entry.behind.take().is_some() {
            self.room.notify_waiters();
        }
    }

    /// Starts a dial unless one runs.
    fn dial(self: &Arc<Self>, peer: PeerId, entry: &mut Peer) {
        if !entry.is_dialing {
            entry.is_dialing = true;
            dial::spawn(self.clone(), peer, entry.id);
        }
    }

    /// Starts a lane's task, or wakes it.
    fn start(self: &Arc<Self>, peer: PeerId, topic: TopicId, lane: &mut Lane, tasks: &mut u64) {
        if lane.task != 0 {
            lane.wake.notify_one();
            return;
        }
        *tasks += 1;
        lane.task = *tasks;
        tokio::spawn(lane::run(self.clone(), peer, topic, lane.task));
    }

    /// A frame came from a peer on a topic.
    pub(crate) fn note_heard(&self, topic: &TopicId, peer: &PeerId) {
        if let Some(entry) = lock(&self.table).peers.get_mut(peer) {
            entry.hold(*topic, Instant::now());
        }
    }

    /// A neighbor came or went.
    pub(crate) fn set_neighbor(&self, topic: &TopicId, peer: PeerId, is_neighbor: bool) {
        if let Some(entry) = lock(&self.table).peers.get_mut(&peer) {
            entry.set_neighbor(*topic, is_neighbor, Instant::now());
        }
    }

    /// A topic lets go of a peer: what it queued goes out, then its stream is finished.
    pub(crate) fn release(&self, topic: &TopicId, peer: PeerId, flush: Option<mpsc::Sender<()>>) {
        if let Some(entry) = lock(&self.table).peers.get_mut(&peer) {
            entry.holds.remove(topic);
            entry.queue.finish(topic, flush);
        }
    }

    /// The same for all peers; what waits for a peer without a connection is dropped.
    pub(crate) fn forget_topic(&self, topic: &TopicId, flush: Option<mpsc::Sender<()>>) {
        for entry in lock(&self.table).peers.values_mut() {
            entry.holds.remove(topic);
            if entry.links.is_empty() {
                entry.queue.remove(topic);
            } else {
                entry.queue.finish(topic, flush.clone());
            }
        }
    }

    /// Whether any topic needs the peer.
    pub(crate) fn is_held(&self, peer: &PeerId) -> bool {
        lock(&self.table).peers.get(peer).is_some_and(|entry| !entry.holds.is_empty())
    }

    /// Takes a connection in: from now on it is the one that is sent on. `is_ours` ends the peer's dial.
    ///
    /// Fails with `GOSSIP_CLOSED` and `LIMIT_REACHED`.
    pub(crate) fn register(
        self: &Arc<Self>,
        remote: EndpointId,
        connection: Connection,
        is_ours: bool,
    ) -> Result<Arc<Link>, Failure> {
        if *self.stop.borrow() || self.topics.is_closed() {
            return Err(closed());
        }
        count(&self.metrics.actor_tick_endpoint);
        let now = Instant::now();
        let peer = PeerId::from(remote);
        let mut table = lock(&self.table);
        let table = &mut *table;
        self.make_room(table, &peer, connection.side())?;
        let guard =
            table.guards.entry(peer).or_insert_with(|| Arc::new(Mutex::new(Guard::new(now))));
        let link = Arc::new(Link::new(remote, connection, guard.clone()));
        let entry = table.peers.entry(peer).or_insert_with(|| Peer::new(remote));
        entry.links.push(link.clone());
        if is_ours {
            entry.is_dialing = false;
        }
        table.open += 1;
        self.metrics.open_connections.store(table.open as u64, Relaxed);
        for (topic, lane) in &mut entry.queue.lanes {
            self.start(peer, *topic, lane, &mut table.tasks);
        }
        Ok(link)
    }

    /// Refuses one too many, strangers first; for a peer that a topic needs, a stranger has to go.
    fn make_room(&self, table: &Table, peer: &PeerId, side: Side) -> Result<(), Failure> {
        let limits = &self.options.limits;
        let full = |text| Err(Failure::new(ErrorCode::LimitReached, text));
        let entry = table.peers.get(peer);
        let links = entry.map_or(&[][..], |entry| &entry.links);
        if links.len() >= limits.max_connections_per_peer {
            // Of a peer that was restarted some times, the old ones are only waiting for their timeout.
            let old = links.iter().rev().skip(1).max_by_key(|link| link.silence_of_peer());
            match old {
                Some(link) if link.silence_of_peer() >= GIVES_WAY => link.close_idle(),
                _ => return full("the peer has too many connections"),
            }
        }
        if table.open >= limits.max_connections {
            let is_needed = entry.is_some_and(|entry| !entry.holds.is_empty());
            let strangers = table.peers.values().filter(|entry| entry.holds.is_empty());
            let links = strangers.flat_map(|entry| &entry.links).filter(|link| !link.is_closed());
            match links.max_by_key(|link| link.silence()) {
                Some(link) if is_needed || side == Side::Client => link.close_idle(),
                _ => return full("there are too many connections"),
            }
        }
        Ok(())
    }

    /// A connection is gone and its streams are read.
    pub(crate) fn ended(self: &Arc<Self>, link: &Link) {
        count(&self.metrics.actor_tick_endpoint);
        let is_lost = {
            let mut table = lock(&self.table);
            let table = &mut *table;
            let Some(entry) = table.peers.get_mut(&link.peer) else { return };
            let Some(at) = entry.links.iter().position(|known| known.id == link.id) else { return };
            entry.links.remove(at);
            table.open -= 1;
            self.metrics.open_connections.store(table.open as u64, Relaxed);
            // Their streams move, or end.
            entry.queue.lanes.values().for_each(|lane| lane.wake.notify_one());
            if !entry.links.is_empty() || entry.is_dialing {
                false
            } else if link.is_idle_close() {
                if entry.queue.has_frames() && !*self.stop.borrow() {
                    // A topic found a use for it at the very moment.
                    self.dial(link.peer, entry);
                }
                false
            } else {
                table.peers.remove(&link.peer);
                true
            }
        };
        if is_lost {
            self.topics.lost(link.peer, |_| None);
        }
    }

    /// A dial came to nothing.
    pub(crate) fn dial_failed(&self, peer: PeerId, failure: &Failure) {
        let entry = {
            let mut table = lock(&self.table);
            let Some(entry) = table.peers.get_mut(&peer) else { return };
            entry.is_dialing = false;
            if !entry.links.is_empty() {
                return;
            }
            table.peers.remove(&peer)
        };
        let wanted_by =
            |topic: &TopicId| entry.as_ref().is_some_and(|it| it.holds.contains_key(topic));
        self.topics.lost(peer, |topic| wanted_by(topic).then(|| failure.clone()));
    }
}
