//! How much the children of a hash sequence are, before they are here.

use std::{collections::HashSet, time::Duration};

use gaiwan_base::Hash;
use gaiwan_endpoint::Failure;

use super::crew::Member;
use crate::{getter::child_sizes, store::Store};

/// Children whose sizes are asked for. Each costs about 1.5 kB of the peer's and of ours, which for more of them, or very
/// small ones, would be a large part of the download.
const MOST: usize = 4096;
/// A download that is over sooner needs no total, and its provider is not asked for the same small blobs twice.
const SOON: Duration = Duration::from_millis(100);
/// Children looked up at a time.
const WINDOW: u64 = 4096;

/// Bytes of all of it, as far as they are known.
pub(super) struct Sizing {
    root: Hash,
    /// Bytes that are here, and those that are lacking of children whose size is proven.
    known: u64,
    /// Indexes and hashes of the others, each hash once.
    children: Vec<(u64, Hash)>,
    /// Bytes that are here of these.
    here: u64,
    /// Numbers of those who were asked.
    asked: HashSet<u32>,
}

impl Sizing {
    /// Looks at the first `count` children; `here` bytes are there of all. Waits for the disk. `None` if there are too many
    /// to ask for.
    pub(super) fn new(
        store: &Store,
        root: Hash,
        count: u64,
        here: u64,
    ) -> Result<Option<Self>, Failure> {
        let (children, asked) = (Vec::new(), HashSet::new());
        let mut sizing = Self { root, known: here, children, here: 0, asked };
        let mut seen = HashSet::new();
        let mut at = 0;
        while at < count {
            let end = (at + WINDOW).min(count);
            for (index, hash) in store.children_in(&root, at..end)? {
                let field = store.bitfield(&hash)?;
                // One that comes many times is brought once.
                if field.is_complete() || !seen.insert(hash) {
                    continue;
                }
                let here = field.total_bytes();
                match field.validated_size() {
                    Some(size) => {
                        let lacking = size.saturating_sub(here);
                        sizing.known = sizing.known.saturating_add(lacking);
                    }
                    None => {
                        sizing.children.push((index, hash));
                        sizing.here = sizing.here.saturating_add(here);
                    }
                }
            }
            if sizing.children.len() > MOST {
                return Ok(None);
            }
            at = end;
        }
        Ok(Some(sizing))
    }

    /// Bytes of all, if it needs no asking.
    pub(super) fn total(&self) -> Option<u64> {
        self.children.is_empty().then_some(self.known)
    }

    /// Whether this one was not asked yet.
    pub(super) fn may_ask(&self, member: &Member) -> bool {
        !self.asked.contains(&member.number)
    }

    /// Asks one provider, unless the download is over soon: the bytes of all, or what to ask the next one with.
    pub(super) async fn ask(mut self, member: Member, stall: Duration) -> Result<u64, Self> {
        self.asked.insert(member.number);
        tokio::time::sleep(SOON).await;
        match child_sizes(&member.connection, self.root, &self.children, stall).await {
            Ok(sizes) => {
                let all = sizes.into_iter().fold(self.known, u64::saturating_add);
                Ok(all.saturating_sub(self.here))
            }
            Err(failure) => {
                // It may serve the blobs all the same; if not, that is told where they are asked for.
                tracing::debug!(%failure, "a provider does not tell the sizes");
                Err(self)
            }
        }
    }
}
