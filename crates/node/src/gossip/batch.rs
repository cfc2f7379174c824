//! Events as one block. Faces `ts/gossip/batch.ts`.
//!
//! Little-endian u32 words: how many ids, how many events; then the ids, 32 bytes each; then three words an event; then
//! the contents, one behind the other. An event's first word has its kind in bits 0 to 7, a reason or scope in bits 8 to
//! 15 and a round above; the second is the place of its id; the third the length of its content. Of a lag the second
//! and third are the low and high half of the count.

use bytes::{BufMut, Bytes, BytesMut};
use gaiwan_base::EndpointId;
use gaiwan_gossip::{DownReason, Event, Scope};

const UP: u32 = 0;
const DOWN: u32 = 1;
const RECEIVED: u32 = 2;
const LAGGED: u32 = 3;

/// Packs events; contents are copied once.
pub fn pack(events: &[Event]) -> Bytes {
    let mut ids: Vec<EndpointId> = Vec::new();
    let mut rows = Vec::with_capacity(events.len());
    let mut bytes = 0;
    for event in events {
        rows.push(match event {
            Event::NeighborUp(id) => [UP, place(&mut ids, id), 0],
            Event::NeighborDown(id, reason) => {
                let reason = match reason {
                    DownReason::Left => 0,
                    DownReason::Evicted => 1,
                    DownReason::Replaced => 2,
                    DownReason::Lost => 3,
                };
                [DOWN | reason << 8, place(&mut ids, id), 0]
            }
            Event::Received { content, from, scope } => {
                let scope = match scope {
                    Scope::Swarm(round) => u32::from(*round) << 16,
                    Scope::Neighbors => 1 << 8,
                };
                bytes += content.len();
                [RECEIVED | scope, place(&mut ids, from), word(content.len())]
            }
            #[allow(clippy::cast_possible_truncation, reason = "the two halves of one number")]
            Event::Lagged(missed) => [LAGGED, *missed as u32, (*missed >> 32) as u32],
        });
    }
    let mut block = BytesMut::with_capacity(8 + 32 * ids.len() + 12 * rows.len() + bytes);
    block.put_u32_le(word(ids.len()));
    block.put_u32_le(word(rows.len()));
    ids.iter().for_each(|id| block.put_slice(id.as_bytes()));
    rows.into_iter().flatten().for_each(|word| block.put_u32_le(word));
    for event in events {
        if let Event::Received { content, .. } = event {
            block.put_slice(content);
        }
    }
    block.freeze()
}

/// Where an id is; a batch has few different ones, and the last is likely to come again.
fn place(ids: &mut Vec<EndpointId>, id: &EndpointId) -> u32 {
    let at = ids.iter().rposition(|known| known == id).unwrap_or_else(|| {
        ids.push(*id);
        ids.len() - 1
    });
    word(at)
}

fn word(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
