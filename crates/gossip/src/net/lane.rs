//! The writer of one topic to one peer: its stream, wherever that is now.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use quinn::{SendStream, WriteError};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, timeout},
};

use super::{Net, link::Link, queue::Entry};
use crate::{
    lock,
    proto::{PeerId, TopicId, frame},
};

/// How long a finished stream waits for its acknowledgement.
const FINISH: Duration = Duration::from_secs(5);
/// The same when another connection is there already: long enough to keep the order on a live one.
const MOVE: Duration = Duration::from_millis(500);
/// How often a lane without credit asks another to give way.
const CREDIT: Duration = Duration::from_secs(1);

/// What a lane does next.
enum Step {
    Write { link: Arc<Link>, batch: Vec<Entry>, wake: Arc<Notify> },
    Finish { patience: Duration, flush: Option<mpsc::Sender<()>> },
    Wait(Arc<Notify>),
    End,
}

/// An open stream and the connection that must outlive it.
struct Open {
    link: Arc<Link>,
    send: SendStream,
}

/// Why a write did not come to its end.
enum Broken {
    /// The peer reads no more of it.
    Stopped,
    /// Frames go another way now, or nowhere.
    Gone,
}

/// Writes until there is nothing to write and no stream open.
pub(super) async fn run(net: Arc<Net>, peer: PeerId, topic: TopicId, task: u64) {
    let mut writer = Writer { net, peer, topic, task, open: None };
    loop {
        match writer.step() {
            Step::Write { link, batch, wake } => writer.write(link, batch, &wake).await,
            Step::Finish { patience, flush } => {
                if let Some(mut open) = writer.open.take() {
                    // An error says that there is nothing to finish.
                    let _ = open.send.finish();
                    let _ = timeout(patience, open.send.stopped()).await;
                }
                drop(flush);
            }
            Step::Wait(wake) => writer.wait(&wake).await,
            Step::End => return,
        }
    }
}

struct Writer {
    net: Arc<Net>,
    peer: PeerId,
    topic: TopicId,
    task: u64,
    open: Option<Open>,
}

impl Writer {
    fn step(&self) -> Step {
        let now = Instant::now();
        let mut table = lock(&self.net.table);
        let Some(entry) = table.peers.get_mut(&self.peer) else { return Step::End };
        let link = entry.send_link().cloned();
        let has_links = !entry.links.is_empty();
        let Some(lane) = entry.queue.lanes.get_mut(&self.topic) else { return Step::End };
        if lane.task != self.task {
            return Step::End;
        }
        if !has_links {
            (lane.task, lane.open_on) = (0, None);
            return Step::End;
        }
        let Some(link) = link else { return Step::Wait(lane.wake.clone()) };
        let finish = |patience, flush| Step::Finish { patience, flush };
        if let Some(open) = &self.open {
            let has_moved = open.link.id != link.id;
            if has_moved || lane.is_evicted {
                (lane.is_evicted, lane.open_on) = (false, None);
                return finish(if has_moved { MOVE } else { FINISH }, None);
            }
        }
        loop {
            match lane.entries.front() {
                Some(Entry::Frame { .. }) => break,
                Some(Entry::Finish(_)) => {
                    let Some(Entry::Finish(flush)) = lane.entries.pop_front() else { continue };
                    if self.open.is_some() {
                        lane.open_on = None;
                        return finish(FINISH, flush);
                    }
                }
                None if self.open.is_some() => return Step::Wait(lane.wake.clone()),
                None => {
                    entry.queue.remove(&self.topic);
                    return Step::End;
                }
            }
        }
        let wake = lane.wake.clone();
        lane.open_on = Some(link.id);
        let batch = entry.queue.take(&self.topic, now);
        self.net.note_taken(entry, now);
        Step::Write { link, batch, wake }
    }

    /// Nothing to write: a wake-up, or the peer has something to say about the stream.
    async fn wait(&mut self, wake: &Notify) {
        let Some(open) = &mut self.open else { return wake.notified().await };
        tokio::select! {
            () = wake.notified() => {}
            end = open.send.stopped() => match end {
                Ok(_) => self.note_stop(),
                Err(_) => self.open = None,
            },
        }
    }

    /// The peer stopped our stream.
    fn note_stop(&mut self) {
        if let Some(open) = self.open.take() {
            open.link.note_stop(self.topic);
        }
    }

    async fn write(&mut self, link: Arc<Link>, batch: Vec<Entry>, wake: &Notify) {
        let frames = batch.iter().filter_map(|entry| match entry {
            Entry::Frame { frame, .. } => Some(frame.clone()),
            Entry::Finish(_) => None,
        });
        let mut chunks: Vec<Bytes> = Vec::with_capacity(batch.len() + 1);
        if self.open.is_none() {
            let Some(send) = self.open_stream(&link, wake).await else {
                return self.put_back(batch);
            };
            self.open = Some(Open { link, send });
            // With the first frame in one write: while a header is half sent, the reference reads nothing else.
            chunks.push(frame::header(&self.topic));
        }
        chunks.extend(frames);
        match self.write_all(&mut chunks, wake).await {
            Ok(()) => {}
            Err(Broken::Stopped) => {
                self.note_stop();
                self.put_back(batch);
            }
            Err(Broken::Gone) => {
                if let Some(mut open) = self.open.take() {
                    // Perhaps inside a frame; a reset says that nothing is to be made of it.
                    let _ = open.send.reset(0u32.into());
                }
                self.put_back(batch);
            }
        }
    }

    fn put_back(&self, batch: Vec<Entry>) {
        let mut table = lock(&self.net.table);
        if let Some(entry) = table.peers.get_mut(&self.peer) {
            if let Some(lane) = entry.queue.lanes.get_mut(&self.topic) {
                lane.open_on = None;
            }
            entry.queue.put_back(&self.topic, batch);
        }
    }

    async fn write_all(&mut self, chunks: &mut [Bytes], wake: &Notify) -> Result<(), Broken> {
        let Some(open) = &mut self.open else { return Err(Broken::Gone) };
        let mut at = 0;
        while at < chunks.len() {
            tokio::select! {
                biased;
                written = open.send.write_chunks(&mut chunks[at..]) => match written {
                    Ok(written) => {
                        at += written.chunks;
                        open.link.note_sent();
                    }
                    Err(WriteError::Stopped(_)) => return Err(Broken::Stopped),
                    Err(_) => return Err(Broken::Gone),
                },
                () = wake.notified() => {
                    if !sends_on(&self.net, &self.peer, open.link.id) {
                        return Err(Broken::Gone);
                    }
                }
            }
        }
        Ok(())
    }

    /// A new stream; `None` if the connection is not the one to send on any more.
    async fn open_stream(&self, link: &Arc<Link>, wake: &Notify) -> Option<SendStream> {
        let opening = link.connection.quinn().open_uni();
        tokio::pin!(opening);
        tokio::select! {
            biased;
            stream = &mut opening => return stream.ok(),
            () = std::future::ready(()) => {}
        }
        // No credit. The peer gives one back for each stream that it has read to its end.
        loop {
            self.evict(link.id);
            let again = tokio::time::sleep(CREDIT);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    biased;
                    stream = &mut opening => return stream.ok(),
                    () = wake.notified() => {
                        if !sends_on(&self.net, &self.peer, link.id) {
                            return None;
                        }
                    }
                    () = &mut again => break,
                }
            }
        }
    }

    fn evict(&self, link: u64) {
        let mut table = lock(&self.net.table);
        let Some(entry) = table.peers.get_mut(&self.peer) else { return };
        if let Some(lane) = entry.queue.least_used(&self.topic, link) {
            lane.is_evicted = true;
            lane.wake.notify_one();
        }
    }
}

/// Whether frames for the peer go out on this connection.
fn sends_on(net: &Net, peer: &PeerId, link: u64) -> bool {
    let table = lock(&net.table);
    table.peers.get(peer).and_then(|entry| entry.send_link()).is_some_and(|send| send.id == link)
}
