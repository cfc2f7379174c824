//! Chunks, said in bytes.

use crate::proto::{Bitfield, ChunkRanges, chunks_of_bytes};

/// The bytes that are here, as `[start, end)` inside the size; of an unproven size inside the claim.
pub fn byte_spans(field: &Bitfield) -> Vec<(u64, u64)> {
    let size = field.size();
    let spans = field.ranges().boundaries().chunks(2).filter_map(|pair| match pair {
        [start, end] => Some((start.to_bytes(), end.to_bytes().min(size))),
        [start] => Some((start.to_bytes(), size)),
        _ => None,
    });
    spans.filter(|(start, end)| start < end).collect()
}

/// The chunks that hold spans of bytes, rounded out; `None` as an end has no end.
pub fn chunks_of_spans(spans: &[(u64, Option<u64>)]) -> ChunkRanges {
    spans.iter().fold(ChunkRanges::empty(), |all, (start, end)| {
        all | match end {
            Some(end) => chunks_of_bytes(*start..*end),
            None => chunks_of_bytes(*start..),
        }
    })
}

#[cfg(test)]
mod tests {
    use bao_tree::ChunkNum;

    use super::*;

    #[test]
    fn spans_end_with_the_blob() {
        let field = |size, ranges| byte_spans(&Bitfield::new(size, ranges));
        assert_eq!(field(0, ChunkRanges::all()), []);
        assert_eq!(field(1500, ChunkRanges::all()), [(0, 1500)]);
        let some = ChunkRanges::from(ChunkNum(1)..ChunkNum(3)) | ChunkRanges::from(ChunkNum(5)..);
        assert_eq!(field(5500, some.clone()), [(1024, 3072), (5120, 5500)]);
        assert_eq!(field(2000, some), [(1024, 2000)]);
        assert_eq!(field(7000, ChunkRanges::empty()), []);
    }

    #[test]
    fn spans_are_rounded_out_to_chunks_and_join() {
        let joined = chunks_of_spans(&[(0, Some(1)), (1000, Some(1025)), (9000, None)]);
        let chunks = ChunkRanges::from(..ChunkNum(2)) | ChunkRanges::from(ChunkNum(8)..);
        assert_eq!(joined, chunks);
        assert_eq!(chunks_of_spans(&[(5, Some(5))]), ChunkRanges::empty());
    }
}
