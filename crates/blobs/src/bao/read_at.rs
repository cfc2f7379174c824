//! Bytes at an offset.

use std::{fs::File, io, sync::Arc};

use bytes::Bytes;

/// Something that gives bytes at any offset, from any thread.
pub trait ReadAt: Send + Sync {
    /// Fills `target` with what lies at `offset`; `UnexpectedEof` if there is less.
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(target.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        target.copy_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        self[..].read_at(offset, target)
    }
}

impl ReadAt for File {
    #[cfg(unix)]
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, target, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut target: &mut [u8]) -> io::Result<()> {
        while !target.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, target, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    target = &mut target[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, target)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, target)
    }
}
