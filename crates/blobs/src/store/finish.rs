//! The end of a blob's filling.

use std::sync::Arc;

use gaiwan_base::Hash;

use super::{
    Parts,
    partial::{Partial, Phase, without_last_group},
    place::Kind,
    quota::Reserved,
    turns::Turn,
};
use crate::proto::Bitfield;

/// From the moment when all is there until the catalog has answered. Dropped before, the blob goes on being filled, from
/// what is safe.
pub(super) struct Finish {
    parts: Parts,
    hash: Hash,
    size: u64,
    partial: Arc<Partial>,
    /// Files that nobody needs once the row is there.
    leftover: Vec<Kind>,
    /// Room for what was not counted yet.
    reserved: Option<Reserved>,
    ended: bool,
    /// Given back last.
    _turn: Turn,
}

impl Finish {
    pub(super) fn begin(
        parts: Parts,
        hash: Hash,
        size: u64,
        partial: Arc<Partial>,
        turn: Turn,
    ) -> Self {
        partial.lock().phase = Phase::Completing;
        let (leftover, reserved) = (Vec::new(), None);
        Self { parts, hash, size, partial, leftover, reserved, ended: false, _turn: turn }
    }

    /// Bytes and pairs are on disk, whatever becomes of the row.
    pub(super) fn bytes_are_safe(&self) {
        let mut state = self.partial.lock();
        state.safe = without_last_group(&state.field);
    }

    pub(super) fn remove_then(&mut self, kinds: impl IntoIterator<Item = Kind>) {
        self.leftover.extend(kinds);
    }

    pub(super) fn count_then(&mut self, reserved: Reserved) {
        self.reserved = Some(reserved);
    }

    /// The catalog has answered.
    pub(super) fn end(mut self, committed: bool) {
        if !committed {
            return;
        }
        self.ended = true;
        if let Some(reserved) = self.reserved.take() {
            reserved.keep(self.size);
        }
        {
            let mut state = self.partial.lock();
            state.field = Bitfield::complete(self.size);
            state.phase = Phase::Over;
            self.parts.watchers.tell(&self.hash, &state.field);
        }
        self.parts.partials.take(&self.hash);
        self.parts.holds.touch(&self.hash);
        for kind in std::mem::take(&mut self.leftover) {
            // Who has it open keeps it; who comes now reads the catalog.
            if let Err(error) = self.parts.place.remove(&self.hash, kind) {
                tracing::warn!(%error, "a file that nobody needs stays until the store opens again");
            }
        }
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.partial.lock();
        state.phase = Phase::Filling;
        let safe = state.safe.clone();
        let lost = state.shrink(safe);
        self.parts.quota.give_back(lost);
        // The row knows less than what is safe, perhaps.
        state.dirty = state.dirty.max(1);
        self.parts.watchers.tell(&self.hash, &state.field);
    }
}
