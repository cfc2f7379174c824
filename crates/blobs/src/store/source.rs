//! Where stored bytes can be read from.

use std::{fs::File, io, sync::Arc};

use bytes::Bytes;

use super::heap::Heap;
use crate::bao::ReadAt;

/// Bytes in memory, in a file, or growing on the heap.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Memory(Bytes),
    File(Arc<File>),
    Heap(Arc<Heap>),
}

impl Source {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self::Memory(Bytes::new())
    }

    /// Writes at `offset`; only into what is open for writing.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::File(file) => write_all_at(file, offset, bytes),
            Self::Heap(heap) => heap.write_at(offset, bytes),
        }
    }

    /// Brings a file's bytes to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Memory(_) | Self::Heap(_) => Ok(()),
        }
    }
}

impl ReadAt for Source {
    fn read_at(&self, offset: u64, target: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => bytes.read_at(offset, target),
            Self::File(file) => file.read_at(offset, target),
            Self::Heap(heap) => heap.read_at(offset, target),
        }
    }
}

#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
