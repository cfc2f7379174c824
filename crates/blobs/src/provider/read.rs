//! The request at the start of a stream, read without giving the peer more memory than it has sent bytes.

use gaiwan_base::Hash;
use quinn::RecvStream;

use super::served::{Room, Served};
use crate::proto::{MAX_MESSAGE_BYTES, PushHead, PushRequest, Request, RequestKind};

/// A request of more bytes needs a [`Room`].
const LARGE: usize = 4 * 1024;
/// Bytes that are made room for at a time, whatever length the peer tells.
const GROW: usize = 16 * 1024;

/// What a peer asks.
pub(super) struct Asked {
    pub(super) request: Request,
    /// Bytes that it took.
    pub(super) bytes: u64,
    /// Given back when the request is over.
    _room: Option<Room>,
}

/// Why there is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Late, cut short, or not a request.
    Malformed,
    /// There was no room for a large one in time.
    Busy,
}

impl Asked {
    /// Reads the whole request; a push without its data.
    pub(super) async fn read(served: &Served, recv: &mut RecvStream) -> Result<Self, Unread> {
        let mut reader = Reader { served, recv, bytes: Vec::new(), room: None, waits: false };
        let limit = served.provider().options.request_timeout;
        let request = match tokio::time::timeout(limit, reader.request()).await {
            Ok(request) => request?,
            Err(_) if reader.waits => return Err(Unread::Busy),
            Err(_) => return Err(Unread::Malformed),
        };
        let Reader { bytes, room, .. } = reader;
        Ok(Self { request, bytes: bytes.len() as u64, _room: room })
    }

    /// Which blob; of a GetMany the first.
    pub(super) fn hash(&self) -> Hash {
        first_hash(&self.request)
    }
}

struct Reader<'a> {
    served: &'a Served,
    recv: &'a mut RecvStream,
    bytes: Vec<u8>,
    room: Option<Room>,
    /// There is no room yet.
    waits: bool,
}

impl Reader<'_> {
    async fn request(&mut self) -> Result<Request, Unread> {
        self.exactly(1).await?;
        if RequestKind::from_byte(self.bytes[0]).map_err(|_| Unread::Malformed)?
            == RequestKind::Push
        {
            // Exactly its own bytes, for what follows is data.
            loop {
                match PushHead::decode(&self.bytes[1..]).map_err(|_| Unread::Malformed)? {
                    PushHead::Whole { request, .. } => return Ok(Request::Push(request)),
                    PushHead::Needs(more) => self.exactly(more.min(GROW)).await?,
                }
            }
        }
        while let Some(chunk) =
            self.recv.read_chunk(GROW, true).await.map_err(|_| Unread::Malformed)?
        {
            // The type byte does not count.
            if self.bytes.len() + chunk.bytes.len() > MAX_MESSAGE_BYTES + 1 {
                return Err(Unread::Malformed);
            }
            self.make_room(chunk.bytes.len()).await?;
            self.bytes.extend_from_slice(&chunk.bytes);
        }
        Request::decode(&self.bytes).map_err(|_| Unread::Malformed)
    }

    async fn exactly(&mut self, more: usize) -> Result<(), Unread> {
        self.make_room(more).await?;
        let at = self.bytes.len();
        self.bytes.resize(at + more, 0);
        self.recv.read_exact(&mut self.bytes[at..]).await.map_err(|_| Unread::Malformed)
    }

    async fn make_room(&mut self, more: usize) -> Result<(), Unread> {
        if self.room.is_none() && self.bytes.len() + more > LARGE {
            self.waits = true;
            self.room = Some(self.served.room().await.ok_or(Unread::Busy)?);
            self.waits = false;
        }
        Ok(())
    }
}

/// All that a request is about, each once.
pub(super) fn hashes(request: &Request) -> Vec<Hash> {
    match request {
        Request::GetMany(many) => {
            let mut hashes = many.hashes.clone();
            hashes.sort_unstable();
            hashes.dedup();
            hashes
        }
        other => vec![first_hash(other)],
    }
}

fn first_hash(request: &Request) -> Hash {
    match request {
        Request::Get(get) | Request::Push(PushRequest(get)) => get.hash,
        Request::Observe(observe) => observe.hash,
        Request::GetMany(many) => many.hashes.first().copied().unwrap_or(Hash::EMPTY),
    }
}
