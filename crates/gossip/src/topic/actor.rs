//! The task of one topic: drives the state machine and carries out what it says, in order.

use std::{collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use gaiwan_base::EndpointId;
use iroh_gossip::proto::{PeerData, state::MessageKind, topic};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    command::{Broadcast, Command},
    heal::Heal,
    inbox::{Inbound, Inbox, Item, Kind},
    rejoin::Rejoin,
    ring::{End, Ring},
    shared::Shared,
    timers::Timers,
};
use crate::{
    event::{DownReason, Event, Scope},
    metrics::count,
    net::{Net, Outgoing},
    proto::{PeerId, TopicId, frame::frame, message::Message},
};

/// Items taken in one turn.
pub(super) const TURN: usize = 64;
/// Time between two sweeps of the state machine's records of messages that never came.
const SWEEP: Duration = Duration::from_secs(30);

pub(super) type InEvent = topic::InEvent<PeerId>;
type OutEvent = topic::OutEvent<PeerId>;

/// One subscription, as the task has it.
pub(super) struct Subscriber {
    pub(super) id: u64,
    pub(super) ring: Arc<Ring>,
    pub(super) has_sender: bool,
    pub(super) has_receiver: bool,
}

/// Everything of one topic.
pub(crate) struct Actor {
    pub(super) net: Arc<Net>,
    pub(super) topic: TopicId,
    pub(super) generation: u64,
    state: topic::State<PeerId, StdRng>,
    rng: StdRng,
    timers: Timers,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    /// What was asked to be said and waits for neighbors that are behind, at most 64 of each subscription.
    pub(super) waiting: VecDeque<Broadcast>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) shared: Arc<Shared>,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) neighbors: Vec<(PeerId, EndpointId)>,
    pub(super) rejoin: Rejoin,
    pub(super) heal: Heal,
    sweep: Instant,
    /// The message encoded last: all neighbors get the same bytes.
    encoded: Option<(Message, Option<Outgoing>)>,
    /// Held by the frames of a leave until they arrived.
    pub(super) flush: Option<mpsc::Sender<()>>,
    pub(super) leaving: Option<mpsc::Receiver<()>>,
    /// Who waits for the leave.
    pub(super) closers: Vec<oneshot::Sender<()>>,
}

/// What one input means for the neighbors that go by it.
#[derive(Clone, Copy)]
pub(super) struct Cause {
    peer: Option<EndpointId>,
    reason: DownReason,
    scope: Scope,
}

impl Cause {
    /// Whatever goes, goes because we wanted its place.
    pub(super) const OURS: Self =
        Self { peer: None, reason: DownReason::Replaced, scope: Scope::Neighbors };
}

/// Runs a topic to its end. A panic ends this topic only.
pub(crate) async fn run(mut actor: Actor) {
    let is_panic = AssertUnwindSafe(actor.drive()).catch_unwind().await.is_err();
    if is_panic {
        tracing::error!(topic = %actor.topic, "the task of a topic panicked");
        actor.net.topics.guard().remove(&actor.topic, actor.generation);
        actor.net.forget_topic(&actor.topic, None);
    }
    actor.inbox.close();
    let end = if is_panic { End::Panicked } else { End::Closed };
    actor.subscribers.iter().for_each(|subscriber| subscriber.ring.end(end));
    // A subscription that was not read yet belongs to this task too.
    actor.commands.close();
    while let Ok(command) = actor.commands.try_recv() {
        if let Command::Subscribe { ring, .. } = command {
            ring.end(end);
        }
    }
    actor.shared.clear();
}

impl Actor {
    pub(crate) fn new(
        net: Arc<Net>,
        topic: TopicId,
        generation: u64,
        commands: mpsc::UnboundedReceiver<Command>,
        inbox: Arc<Inbox>,
        shared: Arc<Shared>,
    ) -> Self {
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let data = Some(PeerData::new(net.our_data()));
        let config = net.options.topic_config();
        let state = topic::State::with_rng(net.me, data, config, StdRng::from_rng(&mut rng));
        Self {
            net,
            topic,
            generation,
            state,
            rng,
            timers: Timers::default(),
            commands,
            waiting: VecDeque::new(),
            inbox,
            shared,
            subscribers: Vec::new(),
            neighbors: Vec::new(),
            rejoin: Rejoin::default(),
            heal: Heal::default(),
            sweep: Instant::now() + SWEEP,
            encoded: None,
            flush: None,
            leaving: None,
            closers: Vec::new(),
        }
    }

    async fn drive(&mut self) {
        let (inbox, net) = (self.inbox.clone(), self.net.clone());
        loop {
            count(&self.net.metrics.actor_tick_main);
            // A flood must not keep the other tasks of this thread waiting.
            tokio::task::coop::consume_budget().await;
            self.run_timers();
            if self.net.options.rejoin {
                let (has_neighbors, now) = (!self.neighbors.is_empty(), Instant::now());
                self.rejoin.look(has_neighbors, now, &mut self.rng);
                self.heal.look(has_neighbors, now, &mut self.rng);
            }
            let clocks = [self.timers.next(), self.rejoin.next(), self.heal.next()];
            let wake = clocks.into_iter().flatten().min();
            let wake = wake.map_or(self.sweep, |at| at.min(self.sweep));
            let room = net.room.notified();
            tokio::pin!(room);
            // Before the look, so that no room is missed that is made after it.
            room.as_mut().enable();
            let again = self.say_waiting();
            let wake = again.map_or(wake, |at| at.min(wake));
            tokio::select! {
                command = self.commands.recv() => {
                    let Some(command) = command else { return };
                    if self.take_commands(command).await {
                        return;
                    }
                }
                () = inbox.ready() => self.take_items(),
                () = room, if again.is_some() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    fn run_timers(&mut self) {
        let now = Instant::now();
        while let Some(timer) = self.timers.due(now) {
            count(&self.net.metrics.actor_tick_timers);
            self.feed(InEvent::TimerExpired(timer), Cause::OURS);
        }
        if let Some(peer) = self.rejoin.due(now) {
            self.feed(InEvent::Command(topic::Command::Join(vec![peer])), Cause::OURS);
        }
        if self.heal.is_due(now) {
            self.ask_absent();
        }
        if self.sweep <= now {
            // The state machine drops its records of announced messages that never came only when a peer goes. We are
            // in none of its views, so our own going changes nothing else.
            self.feed(InEvent::PeerDisconnected(self.net.me), Cause::OURS);
            self.sweep = now + SWEEP;
        }
    }

    fn take_items(&mut self) {
        if self.inbox.take_our_data_changed() {
            self.feed(InEvent::UpdatePeerData(PeerData::new(self.net.our_data())), Cause::OURS);
        }
        for _ in 0..TURN {
            let Some((peer, item)) = self.inbox.pop() else { break };
            count(&self.net.metrics.actor_tick_in_event_rx);
            match item {
                Item::Message(inbound) => self.hear(peer, *inbound),
                Item::Lost(failure) => {
                    let id = peer.endpoint_id();
                    if let (Some(failure), Some(id)) = (failure, id) {
                        self.shared.failed(id, failure);
                    }
                    let cause = Cause { peer: id, reason: DownReason::Lost, ..Cause::OURS };
                    self.feed(InEvent::PeerDisconnected(peer), cause);
                }
            }
        }
    }

    fn hear(&mut self, peer: PeerId, inbound: Inbound) {
        let Inbound { from, message, kind, _permits } = inbound;
        let mut cause = Cause { peer: Some(from), ..Cause::OURS };
        match kind {
            Kind::Data(scope) => {
                let is_neighbor = self.neighbors.iter().any(|(known, _)| *known == peer);
                if self.net.options.neighbors_only && !is_neighbor {
                    return;
                }
                cause.scope = scope;
            }
            Kind::Disconnect { is_alive: true } => cause.reason = DownReason::Evicted,
            Kind::Disconnect { is_alive: false } => cause.reason = DownReason::Left,
            Kind::Control => {}
        }
        self.feed(InEvent::RecvMessage(peer, message), cause);
    }

    pub(super) fn feed(&mut self, event: InEvent, cause: Cause) {
        let now = Instant::now();
        let events: Vec<OutEvent> = self.state.handle(event, now).collect();
        for event in events {
            match event {
                OutEvent::SendMessage(peer, message) => self.send(peer, message),
                OutEvent::ScheduleTimer(delay, timer) => self.timers.set(now + delay, timer),
                OutEvent::EmitEvent(event) => self.emit(event, cause),
                OutEvent::DisconnectPeer(peer) => {
                    self.net.release(&self.topic, peer, self.flush.clone());
                }
                OutEvent::PeerData(peer, data) => self.net.book.heard(peer, data.as_bytes()),
            }
        }
    }

    fn send(&mut self, peer: PeerId, message: Message) {
        if self.encoded.as_ref().is_none_or(|(last, _)| *last != message) {
            let is_last = message.is_disconnect();
            let is_data = matches!(message.kind(), MessageKind::Data);
            let outgoing = match postcard::to_allocvec(&message) {
                Ok(body) => self.outgoing(&body, is_data, is_last),
                Err(_) => None,
            };
            self.encoded = Some((message, outgoing));
        }
        if let Some((_, Some(outgoing))) = &self.encoded {
            self.net.send(&self.topic, peer, outgoing.clone());
        }
    }

    /// A frame; `None` if the body is over the limit, which would silence a peer of the reference.
    pub(super) fn outgoing(&self, body: &[u8], is_data: bool, is_last: bool) -> Option<Outgoing> {
        if body.len() >= self.net.options.max_message_bytes {
            count(&self.net.metrics.frames_oversized);
            return None;
        }
        Some(Outgoing { frame: frame(body), is_data, is_last })
    }

    fn emit(&mut self, event: topic::Event<PeerId>, cause: Cause) {
        let event = match event {
            topic::Event::NeighborUp(peer) => {
                let Some(id) = peer.endpoint_id() else { return };
                count(&self.net.metrics.neighbor_up);
                self.neighbors.push((peer, id));
                self.net.set_neighbor(&self.topic, peer, true);
                self.shared.up(id);
                Event::NeighborUp(id)
            }
            topic::Event::NeighborDown(peer) => {
                let Some(at) = self.neighbors.iter().position(|(known, _)| *known == peer) else {
                    return;
                };
                let (_, id) = self.neighbors.remove(at);
                count(&self.net.metrics.neighbor_down);
                self.net.set_neighbor(&self.topic, peer, false);
                self.rejoin.former(peer);
                self.shared.down(id);
                if cause.reason == DownReason::Lost {
                    self.heal.soon();
                }
                // Another than who caused it went because its place was wanted.
                let is_it = cause.peer == Some(id);
                Event::NeighborDown(id, if is_it { cause.reason } else { DownReason::Replaced })
            }
            topic::Event::Received(event) => {
                let Some(from) = cause.peer else { return };
                Event::Received { content: event.content, from, scope: cause.scope }
            }
        };
        for subscriber in self.subscribers.iter().filter(|subscriber| subscriber.has_receiver) {
            subscriber.ring.push(event.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use gaiwan_base::{ErrorCode, SecretKey};
    use gaiwan_endpoint::{BindAddr, Endpoint, EndpointOptions};

    use super::*;
    use crate::options::GossipOptions;

    const TOPIC: TopicId = TopicId([1; 32]);

    fn net() -> Arc<Net> {
        let bind = vec![BindAddr { address: ([127, 0, 0, 1], 0).into(), required: true }];
        let options = EndpointOptions { bind, ..EndpointOptions::default() };
        let endpoint = Endpoint::bind(&SecretKey::generate(), options).expect("it binds");
        Net::new(endpoint, GossipOptions::default())
    }

    #[tokio::test]
    async fn a_panic_ends_its_topic_and_no_other() {
        let net = net();
        let subscribe = |topic| net.topics.subscribe(&net, topic, &[], 8).expect("a subscription");
        let (one, other) = (subscribe(TOPIC), subscribe(TopicId([2; 32])));
        net.topics.panic(&TOPIC);
        assert_eq!(one.1.next(1, 1).await.expect_err("it panicked").code, ErrorCode::Internal);
        assert_eq!(one.1.joined().await.expect_err("it panicked").code, ErrorCode::Internal);
        let refused = one.0.broadcast(Bytes::new()).await.expect_err("it panicked");
        assert_eq!(refused.code, ErrorCode::Internal);
        one.0.close().await;
        assert_eq!(other.0.broadcast(Bytes::new()).await.expect("it lives"), 0);
        let again = subscribe(TOPIC);
        assert_eq!(again.0.broadcast(Bytes::new()).await.expect("it lives"), 0);
    }

    #[tokio::test]
    async fn a_topic_is_gone_when_its_last_half_is_dropped_and_not_before() {
        let net = net();
        let (sender, receiver) = net.topics.subscribe(&net, TOPIC, &[], 8).expect("a subscription");
        let clone = sender.clone();
        drop(sender);
        drop(receiver);
        assert_eq!(clone.broadcast(Bytes::from("x")).await.expect("it is open"), 0);
        assert!(net.topics.inbox(&TOPIC).is_some());
        clone.close().await;
        assert!(net.topics.inbox(&TOPIC).is_none());
        drop(clone);
        let (sender, receiver) = net.topics.subscribe(&net, TOPIC, &[], 8).expect("a subscription");
        receiver.close().await;
        assert_eq!(sender.broadcast(Bytes::from("y")).await.expect("it is open"), 0);
    }
}
