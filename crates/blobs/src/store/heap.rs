//! Bytes in memory that are written in any order.

use std::{
    collections::BTreeMap,
    io,
    sync::{PoisonError, RwLock},
};

/// Memory is taken a page at a time, so that a byte far away costs no more than a near one.
const PAGE: u64 = 64 * 1024;

/// Sparse memory. What was never written is not there.
#[derive(Debug, Default)]
pub(crate) struct Heap(RwLock<BTreeMap<u64, Vec<u8>>>);

impl Heap {
    pub(crate) fn write_at(&self, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        let mut pages = self.0.write().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let start = small(offset % PAGE);
            let count = bytes.len().min(small(PAGE) - start);
            let page = pages.entry(offset / PAGE).or_default();
            if page.len() < start + count {
                page.try_reserve_exact(start + count - page.len())
                    .map_err(|_| io::ErrorKind::OutOfMemory)?;
                page.resize(start + count, 0);
            }
            page[start..start + count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            offset += count as u64;
        }
        Ok(())
    }

    pub(crate) fn read_at(&self, mut offset: u64, mut target: &mut [u8]) -> io::Result<()> {
        let pages = self.0.read().unwrap_or_else(PoisonError::into_inner);
        while !target.is_empty() {
            let start = small(offset % PAGE);
            let count = target.len().min(small(PAGE) - start);
            let (head, rest) = target.split_at_mut(count);
            let page = pages.get(&(offset / PAGE)).and_then(|page| page.get(start..start + count));
            head.copy_from_slice(page.ok_or(io::ErrorKind::UnexpectedEof)?);
            target = rest;
            offset += count as u64;
        }
        Ok(())
    }
}

/// A number below [`PAGE`], or it.
fn small(n: u64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_anywhere_is_read_and_nothing_else() {
        let heap = Heap::default();
        let far = 1 << 50;
        for (offset, length) in [(0, 10), (far, 200_000), (PAGE - 3, 6)] {
            heap.write_at(offset, &vec![7; length]).unwrap();
        }
        let mut target = vec![0; 200_000];
        heap.read_at(far, &mut target).unwrap();
        assert!(target.iter().all(|byte| *byte == 7));
        assert!(heap.read_at(far + 200_000, &mut target[..1]).is_err());
        assert!(heap.read_at(2 * PAGE, &mut target[..1]).is_err());
        heap.read_at(PAGE - 3, &mut target[..6]).unwrap();
        assert!(heap.0.read().unwrap().len() < 10, "a far byte takes no memory in between");
    }
}
