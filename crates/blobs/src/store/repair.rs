//! What becomes of a blob that is not what it says.

use std::io;

use gaiwan_base::Hash;
use gaiwan_endpoint::Failure;

use super::{
    Reader, Store,
    outboard::Outboard,
    place::Kind,
    record::{DataAt, OutboardAt, Record},
    source::Source,
    verify::Repair,
};
use crate::{
    bao::{GROUP_BYTES, ReadAt, hash_tree, outboard_bytes},
    proto::{Bitfield, ChunkRanges},
};

impl Store {
    /// Gives up what is `bad`. `row` is what the catalog said when it was read, `None` if the blob was being filled.
    /// Answers whether it was done: not if the blob has become another one meanwhile.
    pub(super) fn repair(
        &self,
        reader: &Reader,
        row: Option<&Record>,
        bad: &ChunkRanges,
        how: Repair,
    ) -> Result<bool, Failure> {
        let anew = match row {
            Some(row) if row.is_complete() => self.proofs(reader, bad)?,
            _ => None,
        };
        let hash = reader.hash();
        let _turn = self.turns().take(hash);
        self.check_changes()?;
        let now = self.catalog().get(hash)?;
        match (row, now) {
            (Some(row), Some(now)) if *row == now && row.is_complete() => {
                if let Some(outboard) = anew {
                    return self.replace_proofs(hash, &now, outboard);
                }
                let is_theirs = matches!(now, Record::Complete { data: DataAt::External(_), .. });
                if is_theirs && how == Repair::InPlace {
                    return self.downgrade(reader, &now, &ChunkRanges::all());
                }
                self.downgrade(reader, &now, bad)
            }
            (_, now) if now.as_ref().is_some_and(Record::is_complete) => Ok(false),
            (_, now) => self.shrink(hash, now, bad),
        }
    }

    /// A partial blob has less than it said.
    fn shrink(&self, hash: &Hash, row: Option<Record>, bad: &ChunkRanges) -> Result<bool, Failure> {
        let without = |field: &Bitfield| Bitfield::new(field.size(), field.ranges() - bad);
        let partial = self.partials().get(hash);
        let field = match (&partial, row) {
            (Some(partial), _) => {
                let mut state = partial.lock();
                state.safe = without(&state.safe);
                let field = without(&state.field);
                self.quota().give_back(state.shrink(field));
                // The row follows below; what it leaves out is new with the next checkpoint.
                state.dirty = state.dirty.max(1);
                self.watchers().tell(hash, &state.field);
                state.safe.clone()
            }
            (None, Some(row)) => {
                let before = row.bitfield();
                let field = without(&before);
                let lost = before.total_bytes().saturating_sub(field.total_bytes());
                self.quota().give_back(lost);
                self.watchers().tell(hash, &field);
                field
            }
            (None, None) => return Ok(false),
        };
        let (hash, row) = (*hash, Record::partial(&field));
        self.catalog().write(move |tables| tables.put(&hash, &row, None, None))?;
        Ok(true)
    }

    /// Makes a complete blob partial: what is not `bad` stays.
    fn downgrade(&self, reader: &Reader, row: &Record, bad: &ChunkRanges) -> Result<bool, Failure> {
        let failed = |error| super::error::io("a blob can't be repaired", &error);
        let Record::Complete { size, data, outboard } = row else { return Ok(false) };
        let (hash, place) = (reader.hash(), self.place());
        let good = Bitfield::new(*size, &ChunkRanges::all() - bad);
        // What lies elsewhere is brought to where partial blobs live.
        let target = place.open_partial(hash, Kind::Data).map_err(failed)?;
        if *data != DataAt::Owned {
            copy(reader.data(), &target, good.ranges(), *size).map_err(failed)?;
        }
        place.sync(&target).map_err(failed)?;
        if good.is_complete() {
            // A file of the user that has only become longer.
            place.sync_names().map_err(failed)?;
            let row = Record::Complete { size: *size, data: DataAt::Owned, outboard: *outboard };
            let hash = *hash;
            self.catalog().write(move |tables| tables.set_row(&hash, &row))?;
            return Ok(true);
        }
        let target = place.open_partial(hash, Kind::Outboard).map_err(failed)?;
        if *outboard != OutboardAt::Owned {
            let mut pairs = vec![0; usize::try_from(outboard_bytes(*size)).unwrap_or(0)];
            if reader.outboard().read_at(0, &mut pairs).is_ok() {
                target.write_at(0, &pairs).map_err(failed)?;
            }
        }
        place.sync(&target).map_err(failed)?;
        place.sync_names().map_err(failed)?;
        let (hash, row) = (*hash, Record::partial(&good));
        self.catalog().write(move |tables| tables.put(&hash, &row, None, None))?;
        self.quota().give_back(size.saturating_sub(good.total_bytes()));
        self.watchers().tell(&hash, &good);
        Ok(true)
    }

    /// The pairs of bytes that are right; `None` if they are not, or if nothing is wrong with the pairs.
    fn proofs(&self, reader: &Reader, bad: &ChunkRanges) -> Result<Option<Outboard>, Failure> {
        if bad.is_empty() || reader.outboard_bytes() == 0 {
            return Ok(None);
        }
        let outboard = self.new_outboard(reader.size())?;
        let hashed = hash_tree(reader.data(), reader.size(), &outboard, &|_| Ok(()));
        Ok(hashed.is_ok_and(|it| it.hash == *reader.hash().as_bytes()).then_some(outboard))
    }

    /// The bytes are right: they get their proofs back.
    fn replace_proofs(
        &self,
        hash: &Hash,
        row: &Record,
        outboard: Outboard,
    ) -> Result<bool, Failure> {
        let failed = |error| super::error::io("proofs can't be written", &error);
        let Record::Complete { size, data, .. } = row else { return Ok(false) };
        let place = self.place();
        outboard.sync(place).map_err(failed)?;
        let (outboard, pairs) = outboard.keep(place, hash, *size).map_err(failed)?;
        place.sync_names().map_err(failed)?;
        let row = Record::Complete { size: *size, data: data.clone(), outboard };
        let (hash, put) = (*hash, row.clone());
        self.catalog().settle(move |tables| {
            tables.set_row(&hash, &put)?;
            tables.set_outboard(&hash, pairs.as_deref())
        })?;
        self.tidy(&hash, Some(&row));
        Ok(true)
    }
}

fn copy(from: &Source, to: &Source, chunks: &ChunkRanges, size: u64) -> io::Result<()> {
    for range in chunks.boundaries().chunks(2) {
        let (mut at, end) = match range {
            [start, end] => (start.to_bytes(), end.to_bytes().min(size)),
            [start] => (start.to_bytes(), size),
            _ => continue,
        };
        while at < end {
            let mut group = vec![0; usize::try_from((end - at).min(GROUP_BYTES)).unwrap_or(0)];
            from.read_at(at, &mut group)?;
            to.write_at(at, &group)?;
            at += group.len() as u64;
        }
    }
    Ok(())
}
