//! Requests, answers and one-way streams of one connection, as records.

use std::collections::{HashMap, VecDeque};

use quinn::{Chunks, Connection, Dir, FinishError, ReadError, StreamEvent, StreamId, WriteError};

use crate::records::{Kind, Records};

/// The streams of connection `index` that are not done.
pub struct Exchange {
    index: usize,
    /// Requests that wait for the handshake or for the peer to allow more streams.
    waiting: VecDeque<(u32, Vec<u8>)>,
    /// Our requests without an answer yet.
    asked: HashMap<StreamId, u32>,
    /// Bodies of which a part has come.
    partial: HashMap<StreamId, Vec<u8>>,
    /// What QUIC did not take yet.
    unsent: HashMap<StreamId, Unsent>,
}

#[derive(Default)]
struct Unsent {
    bytes: VecDeque<u8>,
    finish: bool,
}

impl Exchange {
    /// Of a new connection.
    pub fn new(index: usize) -> Self {
        Self {
            index,
            waiting: VecDeque::new(),
            asked: HashMap::new(),
            partial: HashMap::new(),
            unsent: HashMap::new(),
        }
    }

    /// Sends a request as soon as there may be one more stream.
    pub fn request(&mut self, quic: &mut Connection, id: u32, body: &[u8]) {
        match self.open(quic, Dir::Bi) {
            Some(stream) => {
                self.asked.insert(stream, id);
                self.send(quic, stream, body, true);
            }
            None => self.waiting.push_back((id, body.to_vec())),
        }
    }

    /// A new stream of ours; none in the handshake or when the peer allows no more.
    pub fn open(&self, quic: &mut Connection, dir: Dir) -> Option<StreamId> {
        if quic.is_handshaking() || !self.waiting.is_empty() {
            return None;
        }
        quic.streams().open(dir)
    }

    /// Appends to a stream of ours; whether QUIC took it all.
    pub fn send(
        &mut self,
        quic: &mut Connection,
        stream: StreamId,
        bytes: &[u8],
        finish: bool,
    ) -> bool {
        if let Some(unsent) = self.unsent.get_mut(&stream) {
            unsent.bytes.extend(bytes);
            unsent.finish = finish;
            return false;
        }
        let taken = match quic.send_stream(stream).write(bytes) {
            Ok(taken) => taken,
            Err(WriteError::Blocked) => 0,
            // The peer does not want it, or the connection is over, of which a record tells.
            Err(WriteError::Stopped(_) | WriteError::ClosedStream) => return true,
        };
        if taken < bytes.len() {
            let bytes = bytes[taken..].iter().copied().collect();
            self.unsent.insert(stream, Unsent { bytes, finish });
            return false;
        }
        if finish {
            end(quic, stream);
        }
        true
    }

    /// The handshake is done: what waited for it goes out.
    pub fn connected(&mut self, quic: &mut Connection, out: &mut Records) {
        if quic.side().is_client() {
            out.push(Kind::Connected, self.index, 0, &[]);
        }
        self.send_waiting(quic);
    }

    /// Does what an event of QUIC asks for.
    pub fn handle(&mut self, quic: &mut Connection, event: StreamEvent, out: &mut Records) {
        match event {
            StreamEvent::Opened { dir } => {
                while let Some(stream) = quic.streams().accept(dir) {
                    self.read(quic, stream, out);
                }
            }
            StreamEvent::Readable { id } => self.read(quic, id, out),
            StreamEvent::Writable { id } => self.send_rest(quic, id, out),
            StreamEvent::Available { dir: Dir::Bi } => self.send_waiting(quic),
            StreamEvent::Stopped { id, .. } => {
                self.unsent.remove(&id);
            }
            StreamEvent::Available { dir: Dir::Uni } | StreamEvent::Finished { .. } => {}
        }
    }

    fn send_waiting(&mut self, quic: &mut Connection) {
        let mut left = self.waiting.len();
        while left > 0
            && let Some((id, body)) = self.waiting.pop_front()
        {
            left -= 1;
            // `request` would queue behind those that wait still, so this one gets its stream here.
            match quic.streams().open(Dir::Bi) {
                Some(stream) => {
                    self.asked.insert(stream, id);
                    self.send(quic, stream, &body, true);
                }
                None => return self.waiting.push_front((id, body)),
            }
        }
    }

    fn send_rest(&mut self, quic: &mut Connection, stream: StreamId, out: &mut Records) {
        let Some(mut unsent) = self.unsent.remove(&stream) else { return };
        while !unsent.bytes.is_empty() {
            match quic.send_stream(stream).write(unsent.bytes.as_slices().0) {
                Ok(taken) => drop(unsent.bytes.drain(..taken)),
                Err(WriteError::Blocked) => {
                    self.unsent.insert(stream, unsent);
                    return;
                }
                Err(WriteError::Stopped(_) | WriteError::ClosedStream) => return,
            }
        }
        if unsent.finish {
            end(quic, stream);
        }
        if stream.dir() == Dir::Uni {
            out.push(Kind::Writable, self.index, stream.index(), &[]);
        }
    }

    fn read(&mut self, quic: &mut Connection, stream: StreamId, out: &mut Records) {
        let mut recv = quic.recv_stream(stream);
        // A stream that is done may be told as readable once more.
        let Ok(mut chunks) = recv.read(true) else { return };
        let outcome = if stream.dir() == Dir::Uni {
            // As they come, but all that is there in one record: chunks are no longer than packets.
            let fill = |out: &mut Vec<u8>| drain(&mut chunks, out);
            out.push_parts(Kind::Chunk, self.index, stream.index(), fill)
        } else {
            drain(&mut chunks, self.partial.entry(stream).or_default())
        };
        // Everything that is due leaves with the next flush in any case.
        let _ = chunks.finalize();
        let Some(whole) = outcome else { return };
        let body = self.partial.remove(&stream).unwrap_or_default();
        match (stream.dir(), self.asked.remove(&stream)) {
            (Dir::Uni, _) => out.push(Kind::End, self.index, stream.index(), &[]),
            (Dir::Bi, Some(id)) => {
                let kind = if whole { Kind::Answer } else { Kind::Failed };
                out.push(kind, self.index, id.into(), &body);
            }
            (Dir::Bi, None) if whole => {
                out.push(Kind::Request, self.index, stream.index(), &body);
            }
            (Dir::Bi, None) => {}
        }
    }
}

/// Appends what is there; true at the end, false if there is none to come, `None` if more may.
fn drain(chunks: &mut Chunks<'_>, out: &mut Vec<u8>) -> Option<bool> {
    loop {
        match chunks.next(usize::MAX) {
            Ok(Some(chunk)) => out.extend(&chunk.bytes),
            Ok(None) => return Some(true),
            Err(ReadError::Blocked) => return None,
            Err(ReadError::Reset(_)) => return Some(false),
        }
    }
}

fn end(quic: &mut Connection, stream: StreamId) {
    match quic.send_stream(stream).finish() {
        // Stopped meanwhile: the peer wants no end either.
        Ok(()) | Err(FinishError::Stopped(_) | FinishError::ClosedStream) => {}
    }
}
