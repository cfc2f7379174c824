//! What crosses to JavaScript in one call: records of four words and bytes, which `endpoint.mjs` walks.

/// What a record says; the numbers are those of `endpoint.mjs`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Kind {
    /// The handshake of our own dial is done.
    Connected = 0,
    /// The answer to request `id`.
    Answer = 1,
    /// A whole request on stream `id`.
    Request = 2,
    /// What was held back on our one-way stream `id` has been taken.
    Writable = 3,
    /// Bytes of the peer's one-way stream `id`.
    Chunk = 4,
    /// The end of it.
    End = 5,
    /// Request `id` got no answer.
    Failed = 6,
    /// The connection is over; the bytes say why.
    Lost = 7,
}

/// Bytes of a record in front of its payload.
const HEAD: usize = 16;

/// Records of one call: kind, connection, id, length, bytes padded to a multiple of 4.
#[derive(Default)]
pub struct Records(Vec<u8>);

impl Records {
    /// Appends one record.
    pub fn push(&mut self, kind: Kind, connection: usize, id: u64, bytes: &[u8]) {
        self.push_parts(kind, connection, id, |out| out.extend(bytes));
    }

    /// Appends one record, whose bytes `fill` appends to what it is given.
    pub fn push_parts<T>(
        &mut self,
        kind: Kind,
        connection: usize,
        id: u64,
        fill: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> T {
        let start = self.0.len();
        // An experiment ends long before its 2^32th stream.
        for word in [kind as u32, connection as u32, id as u32, 0] {
            self.0.extend(word.to_ne_bytes());
        }
        let result = fill(&mut self.0);
        let length = (self.0.len() - start - HEAD) as u32;
        self.0[start + HEAD - 4..start + HEAD].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        result
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}
