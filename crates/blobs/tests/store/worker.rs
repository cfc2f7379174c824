//! What the process does that is killed: everything that changes a store, from two threads, and it says what is done.
//!
//! | Line | What is promised from then on |
//! |---|---|
//! | `has B` | blob B is complete, until it may go |
//! | `filled B F T` | of blob B groups F to before T are there, until it may go |
//! | `kept N B` | tag N is B, and B complete |
//! | `untagged N` | there is no tag N |
//! | `out P B` | the file P is B |
//! | `open`, `act`, `closed` | nothing |
//! | `tagging N`, `untagging N`, `deleting B`, `collecting`, `collected` | what is not promised any more |

use std::{fs, path::Path};

use gaiwan_base::{Hash, HashAndFormat};
use gaiwan_blobs::{
    bao::outboard_bytes,
    store::{ExportMode, ExportOptions, ImportMode, Store, StoreOptions, TagRange, Written},
};

use crate::{
    child::say,
    filling::{batch, outboard},
    places::{FILES, bytes, quiet},
};

/// Contents that come and go; every size, and three of each.
pub const BLOBS: usize = 18;
pub const TAGS: usize = 6;
const SIZES: [usize; 6] = [10, 16_384, 16_385, 70_000, 300_000, 1_200_000];
const OPS: usize = 60;

pub fn content(blob: usize) -> Vec<u8> {
    bytes(SIZES[blob % SIZES.len()], blob as u8)
}

/// A blob as the worker knows it.
struct Blob {
    content: Vec<u8>,
    hash: Hash,
    pairs: Vec<u8>,
}

/// Puts all blobs where the worker finds them: made anew they would take longer than what is done with them.
pub fn prepare(root: &Path) {
    fs::create_dir(root.join("blobs")).unwrap();
    for blob in 0..BLOBS {
        let content = content(blob);
        let (hash, pairs) = outboard(&content);
        let all = [hash.as_bytes(), &pairs[..], &content[..]].concat();
        fs::write(root.join(format!("blobs/{blob}")), all).unwrap();
    }
}

fn prepared(root: &Path) -> Vec<Blob> {
    let blob = |blob| {
        let all = fs::read(root.join(format!("blobs/{blob}"))).unwrap();
        let (hash, rest) = all.split_at(32);
        let size = SIZES[blob % SIZES.len()] as u64;
        let (pairs, content) = rest.split_at(usize::try_from(outboard_bytes(size)).unwrap());
        let hash = Hash::try_from(hash).unwrap();
        Blob { content: content.into(), hash, pairs: pairs.into() }
    };
    (0..BLOBS).map(blob).collect()
}

pub fn options(durable: bool) -> StoreOptions {
    StoreOptions { durable, ..FILES }
}

/// Numbers that look random and are the same for the same seed (SplitMix64, Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// Works in `root` until it is killed or done. The store is in `store`, the user's files are in `files`, and
/// what is stored comes from `blobs`.
pub fn work(root: &Path, seed: u64, durable: bool) {
    let blobs = prepared(root);
    let store = Store::open(&root.join("store"), options(durable)).unwrap();
    say("open");
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (store, blobs) = (&store, &blobs[..]);
            scope.spawn(move || {
                let random = Random(seed * 2 + thread as u64);
                let mut worker = Worker { store, blobs, root, thread, random, seed };
                (0..OPS).for_each(|op| worker.act(op));
            });
        }
    });
    store.close();
    say("closed");
}

struct Worker<'a> {
    store: &'a Store,
    blobs: &'a [Blob],
    root: &'a Path,
    thread: usize,
    random: Random,
    seed: u64,
}

impl Worker<'_> {
    fn act(&mut self, op: usize) {
        // Blobs and tags of its own, so that what it says stays true whatever the other one does.
        let blob = self.random.below(BLOBS / 2) * 2 + self.thread;
        let tag = self.random.below(TAGS / 2) * 2 + self.thread;
        let file = self.root.join(format!("files/{}-{}-{op}", self.seed, self.thread));
        // Often the last that is heard: then the end comes in what follows.
        say("act");
        match self.random.below(20) {
            0..3 => self.add(blob, &file),
            3..6 => self.keep(blob, tag),
            6..10 => self.fill(blob),
            10..12 => self.untag(tag),
            12..15 => self.export(blob, &file),
            15..17 => self.delete(blob),
            17 if self.thread == 0 => self.collect(),
            17 => self.store.sync().unwrap(),
            _ => self.fill_and_keep(blob, tag),
        }
    }

    fn add(&mut self, blob: usize, file: &Path) {
        let content = &self.blobs[blob].content;
        let added = match self.random.below(4) {
            0 => self.store.import_bytes(content.clone().into()),
            1 => {
                let mut upload = self.store.upload().unwrap();
                content.chunks(100_000).for_each(|piece| upload.push(piece).unwrap());
                upload.finish(&quiet)
            }
            way => {
                fs::write(file, content).unwrap();
                let mode = if way == 2 { ImportMode::Copy } else { ImportMode::Reference };
                self.store.import_file(file, mode, &quiet)
            }
        };
        // Held until it is said.
        let _held = added.unwrap();
        say(&format!("has {blob}"));
    }

    fn keep(&mut self, blob: usize, tag: usize) {
        let content = self.blobs[blob].content.clone();
        let added = self.store.import_bytes(content.into()).unwrap();
        self.tag(added.hash, blob, tag);
    }

    fn tag(&mut self, hash: Hash, blob: usize, tag: usize) {
        say(&format!("tagging {tag}"));
        self.store.set_tag(name(tag).into(), HashAndFormat::raw(hash)).unwrap();
        say(&format!("kept {tag} {blob}"));
    }

    fn untag(&mut self, tag: usize) {
        say(&format!("untagging {tag}"));
        self.store.delete_tags(TagRange::exactly(name(tag).as_bytes())).unwrap();
        say(&format!("untagged {tag}"));
    }

    /// Some groups, as from a peer that then goes away.
    fn fill(&mut self, blob: usize) {
        let Blob { content, hash, pairs } = &self.blobs[blob];
        let hash = *hash;
        let size = content.len() as u64;
        let groups = content.len().div_ceil(16_384);
        let hold = self.store.hold(HashAndFormat::raw(hash));
        let Some(writer) = self.store.writer(hash).unwrap() else { return };
        let mut filled = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            let start = self.random.below(groups);
            let end = start + 1 + self.random.below(groups - start);
            let batch = batch(hash, content, pairs, start as u64..end as u64);
            if let Written::Complete(pending) = writer.write(size, &batch).unwrap() {
                pending.wait().unwrap();
                return say(&format!("has {blob}"));
            }
            filled.push((start, end));
        }
        drop(writer);
        for (start, end) in filled {
            say(&format!("filled {blob} {start} {end}"));
        }
        drop(hold);
    }

    /// All of it, and a tag before it is let go.
    fn fill_and_keep(&mut self, blob: usize, tag: usize) {
        let Blob { content, hash, pairs } = &self.blobs[blob];
        let hash = *hash;
        let _hold = self.store.hold(HashAndFormat::raw(hash));
        if let Some(writer) = self.store.writer(hash).unwrap() {
            let groups = content.len().div_ceil(16_384) as u64;
            let all = batch(hash, content, pairs, 0..groups);
            if let Written::Complete(pending) = writer.write(content.len() as u64, &all).unwrap() {
                pending.wait().unwrap();
            }
        }
        say(&format!("has {blob}"));
        self.tag(hash, blob, tag);
    }

    fn export(&mut self, blob: usize, file: &Path) {
        let hash = self.blobs[blob].hash;
        let _hold = self.store.hold(HashAndFormat::raw(hash));
        if !self.store.bitfield(&hash).unwrap().is_complete() {
            return;
        }
        let mode = match self.random.below(2) {
            0 => ExportMode::Copy,
            _ => ExportMode::Reference,
        };
        let verify = self.random.below(3) == 0;
        let options = ExportOptions { mode, verify, overwrite: false };
        self.store.export(&hash, file, options, &quiet).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        say(&format!("out {name} {blob}"));
    }

    fn delete(&mut self, blob: usize) {
        say(&format!("deleting {blob}"));
        // A tag may hold it.
        let _ = self.store.delete(&[self.blobs[blob].hash]);
    }

    fn collect(&mut self) {
        say("collecting");
        self.store.gc(&[]).unwrap();
        say("collected");
    }
}

pub fn name(tag: usize) -> String {
    format!("tag {tag}")
}
