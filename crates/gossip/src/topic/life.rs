//! What handles ask of a topic's task, and the end of the topic.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gaiwan_base::EndpointId;
use iroh_gossip::proto::{Scope as ProtoScope, topic};
use tokio::{sync::mpsc, time::Instant};

use super::{
    actor::{Actor, Cause, InEvent, Subscriber, TURN},
    command::{Broadcast, Command, Half, Reach},
    heal::ASKED,
    ring::{End, Ring},
};
use crate::{
    event::Event,
    metrics::count,
    proto::{
        PeerId,
        message::{MAX_NODES, Node, Parsed},
    },
};

/// How long a leave waits for the neighbors to have it.
const LEAVE: Duration = Duration::from_secs(5);

impl Actor {
    /// Takes what the handles ask; `true` when the topic was left.
    pub(super) async fn take_commands(&mut self, first: Command) -> bool {
        let mut next = Some(first);
        for left in (0..TURN).rev() {
            let Some(command) = next.take() else { break };
            count(&self.net.metrics.actor_tick_rx);
            let is_shutdown = matches!(command, Command::Shutdown { .. });
            self.take_command(command);
            if (is_shutdown || self.subscribers.is_empty()) && self.leave(is_shutdown) {
                self.flushed().await;
                return true;
            }
            if left > 0 {
                next = self.commands.try_recv().ok();
            }
        }
        false
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Subscribe { id, ring, bootstrap } => self.subscribe(id, ring, &bootstrap),
            Command::Broadcast(broadcast) => {
                self.waiting.push_back(broadcast);
                self.say_waiting();
            }
            Command::Join { peers, reply } => {
                self.join(&peers);
                let _ = reply.send(());
            }
            Command::Close { id, half, done } => {
                self.close(id, half);
                if self.subscribers.is_empty() {
                    self.closers.extend(done);
                } else if let Some(done) = done {
                    let _ = done.send(());
                }
            }
            Command::Shutdown { done } => self.closers.push(done),
            #[cfg(test)]
            Command::Panic => panic!("a test wants to see this"),
        }
    }

    fn subscribe(&mut self, id: u64, ring: Arc<Ring>, bootstrap: &[EndpointId]) {
        self.neighbors.iter().for_each(|(_, id)| ring.push(Event::NeighborUp(*id)));
        self.subscribers.push(Subscriber { id, ring, has_sender: true, has_receiver: true });
        self.join(bootstrap);
    }

    fn join(&mut self, peers: &[EndpointId]) {
        let peers: Vec<PeerId> =
            peers.iter().map(|id| PeerId::from(*id)).filter(|peer| *peer != self.net.me).collect();
        self.net.book.trust(&peers);
        self.rejoin.bootstrap(&peers);
        self.heal.soon();
        self.feed(InEvent::Command(topic::Command::Join(peers)), Cause::OURS);
    }

    /// Asks known peers that are no neighbors for some of theirs.
    pub(super) fn ask_absent(&mut self) {
        let Some(me) = self.net.me.endpoint_id() else { return };
        // The answer has as many nodes as we name, and ours among them once they are in the passive view: so one of ours
        // is named as often as a Shuffle of our own would name nodes.
        let options = &self.net.options.membership;
        let wanted = 1 + options.shuffle_active_view_count + options.shuffle_passive_view_count;
        let mut nodes = vec![Node { id: me, data: None }; wanted.min(MAX_NODES)];
        nodes[0].data = Some(self.net.our_data());
        let body = Parsed::Shuffle { origin: me, nodes, ttl: 0 }.encode();
        let Some(outgoing) = self.outgoing(&body, false, false) else { return };
        let near = &self.neighbors;
        let absent = self.rejoin.absent(|peer| near.iter().any(|(known, _)| known == peer), ASKED);
        for peer in absent {
            self.net.send(&self.topic, peer, outgoing.clone());
        }
    }

    /// Says what waits, as far as the neighbors keep up; if some is left, when it is time to look again. Neighbors that
    /// make room wake the task before.
    pub(super) fn say_waiting(&mut self) -> Option<Instant> {
        while !self.waiting.is_empty() {
            let crowded = self.net.crowded(self.neighbors.iter().map(|(peer, _)| peer));
            if crowded.is_some() {
                return crowded;
            }
            self.say_next();
        }
        None
    }

    fn say_next(&mut self) {
        let Some(Broadcast { content, reach, reply, slot }) = self.waiting.pop_front() else {
            return;
        };
        let count = self.broadcast(content, reach);
        drop(slot);
        // Who asked may have given up.
        let _ = reply.send(count);
    }

    /// The number of neighbors that will have it, in full or by its id.
    fn broadcast(&mut self, content: Bytes, reach: Reach) -> usize {
        match reach {
            Reach::Swarm => {
                let command = topic::Command::Broadcast(content, ProtoScope::Swarm);
                self.feed(InEvent::Command(command), Cause::OURS);
            }
            // The state machine would leave lazy neighbors out, so the frame is made here.
            Reach::Neighbors => {
                let id = *blake3::hash(&content).as_bytes();
                let body = Parsed::Gossip { id, content, scope: None }.encode();
                if let Some(outgoing) = self.outgoing(&body, true, false) {
                    for (peer, _) in &self.neighbors {
                        self.net.send(&self.topic, *peer, outgoing.clone());
                    }
                }
            }
        }
        self.neighbors.len()
    }

    /// Gives up half of a subscription.
    fn close(&mut self, id: u64, half: Half) {
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.id == id) {
            match half {
                Half::Sender => subscriber.has_sender = false,
                Half::Receiver => subscriber.has_receiver = false,
            }
        }
        self.subscribers.retain(|subscriber| {
            let is_open = subscriber.has_sender || subscriber.has_receiver;
            if !is_open {
                subscriber.ring.end(End::Closed);
            }
            is_open
        });
    }

    /// Tells the neighbors that we go. `false` if somebody may have subscribed meanwhile, and then nothing happened.
    fn leave(&mut self, is_shutdown: bool) -> bool {
        let net = self.net.clone();
        let mut guard = net.topics.guard();
        if !is_shutdown && !self.commands.is_empty() {
            return false;
        }
        guard.remove(&self.topic, self.generation);
        while !self.waiting.is_empty() {
            self.say_next();
        }
        let (flush, wait) = mpsc::channel(1);
        self.flush = Some(flush);
        // Under the guard, so that frames of a new life of this topic come after those of the old.
        self.feed(InEvent::Command(topic::Command::Quit), Cause::OURS);
        net.forget_topic(&self.topic, self.flush.take());
        drop(guard);
        self.leaving = Some(wait);
        self.inbox.close();
        self.subscribers.iter().for_each(|subscriber| subscriber.ring.end(End::Closed));
        self.shared.clear();
        true
    }

    /// Waits until the neighbors have what `leave` sent, and answers those who wait for it.
    async fn flushed(&mut self) {
        if let Some(mut wait) = self.leaving.take() {
            // Nothing is ever sent: it ends when the last frame's copy of the sender is dropped.
            let _ = tokio::time::timeout(LEAVE, wait.recv()).await;
        }
        for done in self.closers.drain(..) {
            let _ = done.send(());
        }
    }
}
