//! What a process had said before it was killed, and whether it is so.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use bao_tree::ChunkNum;
use gaiwan_base::Hash;
use gaiwan_blobs::store::{Store, TagRange, Verdict};

use crate::{
    folder::names,
    places::{FILES, has, hash},
    worker::{BLOBS, TAGS, content, name},
};

/// What must be so. What is not in here may be one way or the other.
pub struct Promises {
    contents: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    complete: BTreeSet<usize>,
    /// Groups by blob.
    filled: BTreeMap<usize, BTreeSet<usize>>,
    /// `None`: there is none of that name.
    tags: BTreeMap<usize, Option<usize>>,
    files: BTreeMap<String, usize>,
    /// A collection runs: what nothing keeps may be gone though it is said after its beginning.
    collecting: bool,
}

impl Promises {
    pub fn new() -> Self {
        let contents: Vec<_> = (0..BLOBS).map(content).collect();
        Self {
            hashes: contents.iter().map(|content| hash(content)).collect(),
            contents,
            complete: BTreeSet::new(),
            filled: BTreeMap::new(),
            tags: (0..TAGS).map(|tag| (tag, None)).collect(),
            files: BTreeMap::new(),
            collecting: false,
        }
    }

    /// Takes a line. Without `durable` what is said may be lost with the process, and only what it takes back counts.
    pub fn hear(&mut self, line: &str, durable: bool) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().unwrap();
        match words[0] {
            "has" if durable && !self.collecting => drop(self.complete.insert(number(1))),
            "filled" if durable && !self.collecting => {
                self.filled.entry(number(1)).or_default().extend(number(2)..number(3));
            }
            "kept" if durable => {
                self.tags.insert(number(1), Some(number(2)));
                self.complete.insert(number(2));
            }
            "untagged" if durable => drop(self.tags.insert(number(1), None)),
            "out" => drop(self.files.insert(words[1].into(), number(2))),
            "tagging" | "untagging" => {
                let kept = self.tags.remove(&number(1)).flatten();
                if self.collecting
                    && let Some(blob) = kept
                {
                    self.may_go(blob);
                }
            }
            "deleting" => self.may_go(number(1)),
            "collecting" => {
                self.collecting = true;
                (0..BLOBS).for_each(|blob| self.may_go(blob));
            }
            "collected" => self.collecting = false,
            "has" | "filled" | "kept" | "untagged" | "open" | "act" | "closed" => {}
            _ => panic!("what is {line:?}?"),
        }
    }

    /// Unless a tag keeps it.
    fn may_go(&mut self, blob: usize) {
        if !self.tags.values().any(|kept| *kept == Some(blob)) {
            self.complete.remove(&blob);
            self.filled.remove(&blob);
        }
    }

    /// Looks whether all is so, and takes over what is.
    pub fn check(&mut self, root: &Path, store: &Store) {
        self.collecting = false;
        let rows = store.list(None, 1000).unwrap();
        for blob in &self.complete {
            let row = rows.iter().find(|row| row.hash == self.hashes[*blob]);
            assert!(row.is_some_and(|row| row.complete), "blob {blob} is lost");
        }
        for (blob, groups) in &self.filled {
            let field = store.bitfield(&self.hashes[*blob]).unwrap();
            for group in groups {
                let there = field.ranges().contains(&ChunkNum(*group as u64 * 16));
                assert!(there, "group {group} of blob {blob} is lost");
            }
        }
        self.complete.clear();
        self.filled.clear();
        for row in rows {
            let blob = self.hashes.iter().position(|hash| *hash == row.hash).unwrap();
            self.check_blob(store, blob, row.complete);
        }
        self.check_tags(store);
        self.check_files(root);
        self.check_own_files(&root.join("store"), store);
    }

    /// What is claimed is right.
    fn check_blob(&mut self, store: &Store, blob: usize, complete: bool) {
        let (content, hash) = (&self.contents[blob], &self.hashes[blob]);
        if complete {
            has(store, content);
            self.complete.insert(blob);
            return;
        }
        let verdict = store.verify(hash, false).unwrap().unwrap().verdict;
        assert_eq!(verdict, Verdict::Ok, "of blob {blob} something is claimed that is not there");
        let reader = store.reader(hash).unwrap();
        assert!(!reader.field().is_complete());
        for group in 0..content.len().div_ceil(16_384) {
            if reader.field().ranges().contains(&ChunkNum(group as u64 * 16)) {
                let (start, end) = (group * 16_384, ((group + 1) * 16_384).min(content.len()));
                let read = reader.read(start as u64, end as u64).unwrap();
                assert!(read == content[start..end], "group {group} of blob {blob}");
                self.filled.entry(blob).or_default().insert(group);
            }
        }
    }

    fn check_tags(&mut self, store: &Store) {
        let tags = store.tags(&TagRange::default(), 1000).unwrap();
        let found = |tag: usize| {
            let tag = tags.iter().find(|found| found.name == name(tag).as_bytes());
            tag.map(|tag| self.hashes.iter().position(|h| *h == tag.content.hash).unwrap())
        };
        let now: BTreeMap<_, _> = (0..TAGS).map(|tag| (tag, found(tag))).collect();
        for (tag, kept) in &self.tags {
            assert_eq!(now[tag], *kept, "tag {tag}");
        }
        assert_eq!(tags.len(), now.values().flatten().count());
        self.tags = now;
    }

    /// Files that were put out are whole, also those of which nobody had said so yet.
    fn check_files(&self, root: &Path) {
        for (name, blob) in &self.files {
            let read = fs::read(root.join("files").join(name));
            assert!(read.unwrap() == self.contents[*blob], "{name} is not blob {blob}");
        }
        for name in names(&root.join("files")) {
            // Those that were not finished have another name; and one that comes in may be half.
            if name.starts_with('.') || self.files.contains_key(&name) {
                continue;
            }
            let read = fs::read(root.join("files").join(&name)).unwrap();
            let whole = self.contents.contains(&read);
            let half = self.contents.iter().any(|content| content.starts_with(&read));
            assert!(whole || half, "{name} is neither a blob nor the beginning of one");
        }
    }

    /// Every file belongs to a blob that needs it.
    fn check_own_files(&self, folder: &Path, store: &Store) {
        assert!(names(&folder.join("temp")).is_empty(), "what was under construction is swept");
        for name in names(&folder.join("data")) {
            let (hash, kind) = name.split_once('.').unwrap();
            let blob = self.hashes.iter().position(|known| known.to_hex() == hash).unwrap();
            let row = store.has_row(&self.hashes[blob]).unwrap();
            let size = self.contents[blob].len() as u64;
            let pairs = (size.div_ceil(16_384) - 1) * 64;
            let needed = match kind {
                "data" => size > FILES.inline_data_bytes,
                // Relaxed they stay where they are, see `Writer`.
                _ => pairs > 0,
            };
            let partial = !self.complete.contains(&blob);
            assert!(row && (partial || needed), "{name} belongs to nothing");
        }
    }
}
