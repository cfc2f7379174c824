//! Tags: names that keep blobs. Any bytes, sorted bytewise.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use gaiwan_base::{BlobFormat, ErrorCode, HashAndFormat};
use gaiwan_endpoint::Failure;
use redb::ReadableTable;

use super::{
    Store,
    catalog::{Tables, broken},
};

/// A name and what it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Any bytes.
    pub name: Bytes,
    /// What it keeps; as a hash sequence the children too.
    pub content: HashAndFormat,
}

/// Names from `from` to before `to`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagRange {
    /// Inclusive.
    pub from: Bytes,
    /// Exclusive; `None` has no end.
    pub to: Option<Bytes>,
    /// Only those of one format.
    pub format: Option<BlobFormat>,
}

impl TagRange {
    /// Names that begin with `prefix`: up to it with trailing `ff` removed and the last byte one more.
    pub fn prefix(prefix: &[u8]) -> Self {
        let to = prefix.iter().rposition(|byte| *byte != 0xff).map(|last| {
            let mut to = prefix[..=last].to_vec();
            to[last] += 1;
            to.into()
        });
        Self { from: Bytes::copy_from_slice(prefix), to, format: None }
    }

    /// One name.
    pub fn exactly(name: &[u8]) -> Self {
        let to = [name, &[0]].concat().into();
        Self { from: Bytes::copy_from_slice(name), to: Some(to), format: None }
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let to = match (self.to, other.to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { from: self.from.max(other.from), to, format: self.format.or(other.format) }
    }

    fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }

    fn takes(&self, content: &HashAndFormat) -> bool {
        self.format.is_none_or(|format| format == content.format)
    }
}

impl Store {
    /// Creates or replaces.
    pub fn set_tag(&self, name: Bytes, content: HashAndFormat) -> Result<(), Failure> {
        self.check_changes()?;
        // Held until the commit, so that a collection which began before does not take it.
        let _hold = self.hold(content);
        self.catalog().write(move |tables| put(tables, &name, content))
    }

    /// Creates those whose names are free, all at once; answers how many, and those whose names keep something else.
    pub fn add_tags(&self, tags: Vec<Tag>) -> Result<(u64, Vec<Tag>), Failure> {
        self.check_changes()?;
        let _holds: Vec<_> = tags.iter().map(|tag| self.hold(tag.content)).collect();
        self.catalog().write(move |tables| {
            let (mut added, mut taken) = (0, Vec::new());
            for tag in tags {
                let there = tables.tags.get(&tag.name[..]).map_err(broken)?.map(|row| row.value());
                match there {
                    None => {
                        put(tables, &tag.name, tag.content)?;
                        added += 1;
                    }
                    Some(there) if there == tag.content.to_bytes() => {}
                    Some(_) => taken.push(tag),
                }
            }
            Ok((added, taken))
        })
    }

    /// Under a new name made from the time: `auto-<UTC>Z`, with `-n` if that is taken.
    pub fn create_tag(&self, content: HashAndFormat) -> Result<Tag, Failure> {
        self.check_changes()?;
        let _hold = self.hold(content);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let base = format!("auto-{}", iso_utc(now.as_millis()));
        self.catalog().write(move |tables| {
            for n in 0_u64.. {
                let name = if n == 0 { base.clone() } else { format!("{base}-{n}") };
                if tables.tags.get(name.as_bytes()).map_err(broken)?.is_none() {
                    put(tables, name.as_bytes(), content)?;
                    return Ok(Tag { name: name.into(), content });
                }
            }
            Err(Failure::new(ErrorCode::StoreFailed, "no name is left"))
        })
    }

    /// `None` if there is none of that name.
    pub fn tag(&self, name: &[u8]) -> Result<Option<Tag>, Failure> {
        Ok(self.tags(&TagRange::exactly(name), 1)?.pop())
    }

    /// In byte order, at most `limit`.
    pub fn tags(&self, range: &TagRange, limit: usize) -> Result<Vec<Tag>, Failure> {
        self.check()?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.catalog().read(|view| {
            let mut tags = Vec::new();
            let table = view.tags()?;
            let rows = table.range::<&[u8]>(&range.from[..]..);
            for row in rows.map_err(|error| view.broken(error))? {
                let (name, value) = row.map_err(|error| view.broken(error))?;
                if range.to.as_ref().is_some_and(|to| name.value() >= &to[..])
                    || tags.len() == limit
                {
                    break;
                }
                let content = content_of(&value.value())?;
                if range.takes(&content) {
                    tags.push(Tag { name: Bytes::copy_from_slice(name.value()), content });
                }
            }
            Ok(tags)
        })
    }

    /// Atomic; replaces the target. `TAG_NOT_FOUND`.
    pub fn rename_tag(&self, from: Bytes, to: Bytes) -> Result<(), Failure> {
        self.check_changes()?;
        self.catalog().write(move |tables| {
            let value = tables.tags.get(&from[..]).map_err(broken)?.map(|value| value.value());
            let Some(value) = value else {
                return Err(Failure::new(ErrorCode::TagNotFound, "there is no tag of that name"));
            };
            tables.tags.remove(&from[..]).map_err(broken)?;
            tables.tags.insert(&to[..], value).map_err(broken)?;
            Ok(())
        })
    }

    /// How many were there.
    pub fn delete_tags(&self, range: TagRange) -> Result<u64, Failure> {
        self.check_changes()?;
        self.catalog().write(move |tables| {
            if range.is_empty() {
                return Ok(0);
            }
            let mut names = Vec::new();
            for row in tables.tags.range::<&[u8]>(&range.from[..]..).map_err(broken)? {
                let (name, value) = row.map_err(broken)?;
                if range.to.as_ref().is_some_and(|to| name.value() >= &to[..]) {
                    break;
                }
                if range.takes(&content_of(&value.value())?) {
                    names.push(name.value().to_vec());
                }
            }
            for name in &names {
                tables.tags.remove(&name[..]).map_err(broken)?;
            }
            Ok(names.len() as u64)
        })
    }
}

fn put(tables: &mut Tables<'_>, name: &[u8], content: HashAndFormat) -> Result<(), Failure> {
    tables.tags.insert(name, content.to_bytes()).map_err(broken)?;
    Ok(())
}

fn content_of(value: &[u8; 33]) -> Result<HashAndFormat, Failure> {
    HashAndFormat::try_from(&value[..])
        .map_err(|_| Failure::new(ErrorCode::StoreFailed, "a tag of the catalog is damaged"))
}

/// `2026-11-24T13:05:09.007Z` of milliseconds since 1970.
fn iso_utc(millis: u128) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, rest) = (i64::try_from(seconds / 86_400).unwrap_or(0), seconds % 86_400);
    // Days to a date in the proleptic Gregorian calendar, years that begin in March (H. Hinnant, chrono-compatible
    // low-level date algorithms).
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * in_year + 2) / 153;
    let (day, month) = (
        in_year - (153 * shifted + 2) / 5 + 1,
        if shifted < 10 { shifted + 3 } else { shifted - 9 },
    );
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use gaiwan_base::Hash;

    use super::*;

    #[test]
    fn times_are_dates() {
        assert_eq!(iso_utc(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_utc(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso_utc(1_795_525_509_007), "2026-11-24T13:05:09.007Z");
    }

    #[test]
    fn a_prefix_ends_behind_its_last_byte_that_can_grow() {
        for (prefix, to) in
            [(&b"a"[..], Some(&b"b"[..])), (b"a\xff", Some(b"b")), (b"\xff\xff", None), (b"", None)]
        {
            assert_eq!(TagRange::prefix(prefix).to.as_deref(), to);
        }
    }

    #[test]
    fn tags_are_added_where_their_names_are_free() {
        let store = Store::memory(super::super::StoreOptions::default()).unwrap();
        let tag = |name: &'static [u8], n| Tag {
            name: Bytes::from_static(name),
            content: HashAndFormat::raw(Hash::from_bytes([n; 32])),
        };
        assert_eq!(store.add_tags(vec![tag(b"a", 1), tag(b"b", 2)]).unwrap(), (2, vec![]));
        let again = vec![tag(b"a", 1), tag(b"b", 3), tag(b"c", 4)];
        assert_eq!(store.add_tags(again).unwrap(), (1, vec![tag(b"b", 3)]));
        let all = store.tags(&TagRange::default(), 9).unwrap();
        assert_eq!(all, [tag(b"a", 1), tag(b"b", 2), tag(b"c", 4)]);
    }

    #[test]
    fn tags_are_set_listed_renamed_and_deleted_in_byte_order() {
        let store = Store::memory(super::super::StoreOptions::default()).unwrap();
        let content = |n| HashAndFormat::raw(Hash::from_bytes([n; 32]));
        for (name, n) in [(&b"b"[..], 2), (b"a\xff", 1), (b"a", 0), (b"\xff", 3)] {
            store.set_tag(Bytes::copy_from_slice(name), content(n)).unwrap();
        }
        let names = |range: &TagRange| -> Vec<Vec<u8>> {
            store.tags(range, 100).unwrap().into_iter().map(|tag| tag.name.to_vec()).collect()
        };
        assert_eq!(names(&TagRange::default()), [&b"a"[..], b"a\xff", b"b", b"\xff"]);
        assert_eq!(names(&TagRange::prefix(b"a")), [&b"a"[..], b"a\xff"]);
        store.rename_tag(Bytes::from_static(b"b"), Bytes::from_static(b"a")).unwrap();
        assert_eq!(store.tag(b"a").unwrap().unwrap().content, content(2));
        let error =
            store.rename_tag(Bytes::from_static(b"b"), Bytes::from_static(b"c")).unwrap_err();
        assert_eq!(error.code, ErrorCode::TagNotFound);
        // The reference deletes `b` with this prefix.
        store.set_tag(Bytes::from_static(b"b"), content(5)).unwrap();
        assert_eq!(store.delete_tags(TagRange::prefix(b"a\xff")).unwrap(), 1);
        assert!(store.tag(b"b").unwrap().is_some());
        let made = store.create_tag(content(9)).unwrap();
        assert!(made.name.starts_with(b"auto-20"), "{:?}", made.name);
        assert_eq!(store.delete_tags(TagRange::default()).unwrap(), 4);
        assert_eq!(store.delete_tags(TagRange::default()).unwrap(), 0);
    }
}
