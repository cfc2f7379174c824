//! A file whose changes stay in memory.

use std::{
    collections::HashMap,
    fs::File,
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

/// Bytes that are kept together.
const PAGE: u64 = 4096;

/// What redb takes for a file that it may write: a repair costs the memory of the pages it touches, and the file stays
/// as it is. Its locks are those of a reader, who keeps a writer away and other readers not.
#[derive(Debug)]
pub(super) struct Overlay {
    file: FileBackend,
    changed: Mutex<Changed>,
}

#[derive(Debug)]
struct Changed {
    length: u64,
    /// What of the file is still that of the file: it may have been cut.
    below: u64,
    pages: HashMap<u64, Box<[u8]>>,
}

impl Overlay {
    pub(super) fn new(file: File) -> Result<Self, redb::Error> {
        let length = file.metadata()?.len();
        let changed = Changed { length, below: length, pages: HashMap::new() };
        Ok(Self { file: FileBackend::new(file)?, changed: Mutex::new(changed) })
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of the file from `offset`, zeros where it has none.
    fn below(&self, offset: u64, out: &mut [u8], below: u64) -> io::Result<()> {
        let there = usize::try_from(below.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (there, rest) = out.split_at_mut(there.min(out.len()));
        rest.fill(0);
        if there.is_empty() { Ok(()) } else { self.file.read(offset, there) }
    }
}

/// The pages that `length` bytes at `offset` touch: number, first byte inside, first byte of the run, and how many.
fn pages(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let inside = usize::try_from(at % PAGE).unwrap_or(0);
        let count = (length - done).min(usize::try_from(PAGE).unwrap_or(0) - inside);
        let page = (at / PAGE, inside, done, count);
        done += count;
        (count > 0).then_some(page)
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changed.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.below(offset, out, changed.below)?;
        if changed.pages.is_empty() {
            return Ok(());
        }
        for (number, inside, start, count) in pages(offset, out.len()) {
            if let Some(page) = changed.pages.get(&number) {
                out[start..start + count].copy_from_slice(&page[inside..inside + count]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changed = self.changed();
        if length < changed.length {
            changed.below = changed.below.min(length);
            changed.pages.retain(|number, _| number * PAGE < length);
            let inside = usize::try_from(length % PAGE).unwrap_or(0);
            if let Some(page) = changed.pages.get_mut(&(length / PAGE)) {
                page[inside..].fill(0);
            }
        }
        changed.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed();
        for (number, inside, start, count) in pages(offset, data.len()) {
            if !changed.pages.contains_key(&number) {
                let mut page = vec![0; usize::try_from(PAGE).unwrap_or(0)];
                self.below(number * PAGE, &mut page, changed.below)?;
                changed.pages.insert(number, page.into());
            }
            if let Some(page) = changed.pages.get_mut(&number) {
                page[inside..inside + count].copy_from_slice(&data[start..start + count]);
            }
        }
        changed.length = changed.length.max(offset + data.len() as u64);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_file_stays_as_it_is() {
        let path = std::env::temp_dir().join(format!("gaiwan-overlay-{}", std::process::id()));
        let before: Vec<u8> = (0..10_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &before).unwrap();
        let overlay = Overlay::new(File::open(&path).unwrap()).unwrap();
        let mut expected = before.clone();
        for (offset, length) in [(0, 5), (4090, 10), (8190, 1), (9_999, 3_000), (20_000, 4096)] {
            let data = vec![offset as u8 | 1; length];
            overlay.write(offset, &data).unwrap();
            let (start, end) = (offset as usize, offset as usize + length);
            expected.resize(expected.len().max(end), 0);
            expected[start..end].copy_from_slice(&data);
        }
        let mut all = vec![9; expected.len()];
        overlay.read(0, &mut all).unwrap();
        assert!(all == expected && overlay.len().unwrap() == expected.len() as u64);
        assert!(overlay.read(1, &mut all).is_err());
        // What was cut off is zeros when it grows again.
        overlay.set_len(4_095).unwrap();
        overlay.set_len(9_000).unwrap();
        expected.truncate(4_095);
        expected.resize(9_000, 0);
        all.truncate(9_000);
        overlay.read(0, &mut all).unwrap();
        assert!(all == expected);
        assert!(std::fs::read(&path).unwrap() == before);
        std::fs::remove_file(&path).unwrap();
    }
}
