//! Stored bytes that went bad: none of them leaves, and what is bad is not claimed much longer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gaiwan_base::{BlobFormat, ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::{
    download::{DownloadOptions, TagAs},
    getter::{child_sizes, observe, push},
    proto::{GetRequest, Request},
    store::{ImportMode, Store, StoreOptions},
};

use crate::{
    download::download,
    honest::{Honest, chunks},
    peers::{LONG, add, add_collection, ask, memory, pattern, run, serve},
};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("gaiwan-hostile-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Of another process of that number.
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    /// More pairs than go into the catalog, and data that does not.
    fn store(&self) -> Store {
        let options = StoreOptions { inline_outboard_bytes: 64, ..StoreOptions::default() };
        Store::open(&self.0.join("store"), options).unwrap()
    }

    fn owned(&self, hash: &Hash, kind: &str) -> PathBuf {
        self.0.join("store/data").join(format!("{hash}.{kind}"))
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Waits until all that was found damaged was looked at.
async fn mended(store: &Store) {
    let store = store.clone();
    tokio::task::spawn_blocking(move || store.mended()).await.unwrap();
}

fn whole(hash: Hash) -> Vec<u8> {
    Request::Get(GetRequest::blob(hash)).encode().unwrap()
}

#[test]
fn p10_stored_bytes_that_went_bad_end_in_reset_3_and_none_of_them_leaves() {
    run(async {
        let folder = Folder::new("p10-bad");
        let store = folder.store();
        let blob = Honest::of_size(300_000);
        add(&store, blob.data.clone());
        let served = serve(&store).await;
        let (request, answer) = (whole(blob.hash), blob.whole());
        assert_eq!(ask(&served.connection, &request).await, (answer.clone(), None));
        let file = |kind: &str| folder.owned(&blob.hash, kind);
        let flipped = |kind: &'static str, at: usize| {
            let mut bytes = fs::read(file(kind)).unwrap();
            bytes[at] ^= 0x10;
            (kind, bytes)
        };
        let pairs = fs::read(file("outboard")).unwrap();
        let mut damages: Vec<_> =
            (0..300_000).step_by(49_999).map(|at| flipped("data", at)).collect();
        damages.extend((0..pairs.len()).step_by(101).map(|at| flipped("outboard", at)));
        let cut = [0, 16_384, 299_999].map(|length| ("data", blob.data[..length].to_vec()));
        damages.extend(cut);
        damages.push(("outboard", pairs[..100].to_vec()));
        let mut failed = 0;
        for (kind, bytes) in damages {
            fs::write(file(kind), bytes).unwrap();
            let (sent, reset) = ask(&served.connection, &request).await;
            assert_eq!(reset, Some(3), "{kind}");
            assert!(answer.starts_with(&sent), "bytes left that do not match");
            failed += 1;
            mended(&store).await;
            // Bytes that are right get their proofs back.
            assert_eq!(store.bitfield(&blob.hash).unwrap().is_complete(), kind == "outboard");
            add(&store, blob.data.clone());
            assert_eq!(ask(&served.connection, &request).await, (answer.clone(), None));
        }
        fs::remove_file(file("data")).unwrap();
        assert_eq!(ask(&served.connection, &request).await.1, Some(3));
        assert_eq!(served.count("requests_failed"), failed + 1);
        mended(&store).await;
        assert_eq!(store.bitfield(&blob.hash).unwrap().total_bytes(), 0);
        served.router.shutdown().await;
        store.close();
    });
}

#[test]
fn p10_a_damaged_blob_is_partial_afterwards_and_a_download_repairs_it() {
    run(async {
        let folder = Folder::new("p10-mend");
        let (store, other) = (folder.store(), memory());
        let blob = Honest::of_size(300_000);
        add(&store, blob.data.clone());
        add(&other, blob.data.clone());
        let (served, from) = (serve(&store).await, serve(&other).await);
        let mut observation = observe(&served.connection, blob.hash).await.unwrap();
        assert!(observation.next().await.unwrap().unwrap().is_complete());
        flip(&folder.owned(&blob.hash, "data"), 100_000);
        // Many at once: some hear that it failed, others that it is not here; nobody gets what does not match.
        let mut asked = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (connection, request) = (served.connection.clone(), whole(blob.hash));
            asked.spawn(async move { ask(&connection, &request).await });
        }
        let answers = asked.join_all().await;
        assert!(answers.iter().any(|(_, reset)| *reset == Some(3)));
        for (sent, reset) in answers {
            assert!(blob.whole().starts_with(&sent) && matches!(reset, None | Some(3)));
        }
        mended(&store).await;
        let left = &chunks(0..293) - &chunks(96..112);
        assert_eq!(blob.check(&store), left);
        assert_eq!(store.bitfield(&blob.hash).unwrap().validated_size(), Some(300_000));
        // Who observed is let go, for nothing can be taken back, and hears the truth when it asks again.
        assert!(observation.next().await.unwrap().is_none());
        let mut observation = observe(&served.connection, blob.hash).await.unwrap();
        let told = observation.next().await.unwrap().unwrap();
        assert_eq!((told.ranges() & &chunks(0..293), told.is_complete()), (left.clone(), false));
        // What is good is served on, what is not ends without a reset.
        let good = Request::Get(GetRequest::blob_ranges(blob.hash, chunks(0..96)));
        let answer = ask(&served.connection, &good.encode().unwrap()).await;
        assert_eq!(answer, (blob.response(&chunks(0..96)), None));
        assert_eq!(ask(&served.connection, &whole(blob.hash)).await.1, None);
        let content = HashAndFormat::raw(blob.hash);
        let got =
            download(&store, content, DownloadOptions::default(), &[&from.connection]).await.0;
        assert_eq!(got.unwrap().stats.payload_bytes_read, 16_384);
        blob.assert_complete(&store);
        assert!(observation.next().await.unwrap().unwrap().is_complete());
        assert_eq!(ask(&served.connection, &whole(blob.hash)).await, (blob.whole(), None));
        served.router.shutdown().await;
        store.close();
    });
}

#[test]
fn p10_a_partial_blob_that_is_damaged_has_less_afterwards() {
    run(async {
        let folder = Folder::new("p10-part");
        let (store, other) = (folder.store(), memory());
        let blob = Honest::of_size(300_000);
        add(&other, blob.data.clone());
        let (served, from) = (serve(&store).await, serve(&other).await);
        let content = HashAndFormat::raw(blob.hash);
        let part = DownloadOptions { ranges: chunks(0..64), ..DownloadOptions::default() };
        download(&store, content, part, &[&from.connection]).await.0.unwrap();
        flip(&folder.owned(&blob.hash, "data"), 20_000);
        let asked = Request::Get(GetRequest::blob_ranges(blob.hash, chunks(0..64)));
        assert_eq!(ask(&served.connection, &asked.encode().unwrap()).await.1, Some(3));
        mended(&store).await;
        assert_eq!(blob.check(&store), &chunks(0..64) - &chunks(16..32));
        served.router.shutdown().await;
        store.close();
    });
}

#[test]
fn p10_a_file_of_the_users_that_is_another_one_is_given_up_and_one_that_is_away_is_not() {
    run(async {
        let folder = Folder::new("p10-reference");
        let store = folder.store();
        let served = serve(&store).await;
        let path = folder.0.join("mine");
        for (damaged, is_kept) in [(true, false), (false, true)] {
            let blob = Honest::of_size(300_000 + u64::from(damaged));
            fs::write(&path, &blob.data).unwrap();
            store.import_file(&path, ImportMode::Reference, &|_, _| Ok(())).unwrap();
            if damaged {
                flip(&path, 100_000)
            } else {
                fs::remove_file(&path).unwrap()
            }
            assert_eq!(ask(&served.connection, &whole(blob.hash)).await.1, Some(3));
            mended(&store).await;
            let field = store.bitfield(&blob.hash).unwrap();
            assert_eq!((field.is_complete(), field.total_bytes() == 0), (is_kept, !is_kept));
            // Nothing of it was copied.
            let copy = fs::metadata(folder.owned(&blob.hash, "data"));
            assert_eq!(copy.map_or(0, |copy| copy.len()), 0);
            // It is as good as before when the file is back.
            fs::write(&path, &blob.data).unwrap();
            if is_kept {
                let answer = ask(&served.connection, &whole(blob.hash)).await;
                assert_eq!(answer, (blob.whole(), None));
            }
        }
        served.router.shutdown().await;
        store.close();
    });
}

#[test]
fn p10_a_damaged_list_of_children_is_given_up_by_who_serves_it_and_fetched_anew_by_who_gets() {
    run(async {
        let folder = Folder::new("p10-list");
        let (store, other) = (folder.store(), memory());
        let files: Vec<_> = (0..1000_u64).map(|n| (n.to_string(), pattern(n % 7 + 1))).collect();
        let files: Vec<_> = files.iter().map(|(name, file)| (&name[..], file.clone())).collect();
        let (hash, _) = (add_collection(&store, &files), add_collection(&other, &files));
        let (served, from) = (serve(&store).await, serve(&other).await);
        let content = HashAndFormat { hash, format: BlobFormat::HashSeq };
        let options = || DownloadOptions { tag: TagAs::Nothing, ..DownloadOptions::default() };
        // Only a child is asked for, and its hash can't be read.
        flip(&folder.owned(&hash, "data"), 20_000);
        let child = (700, Honest::new(pattern(699 % 7 + 1)).hash);
        let told = child_sizes(&served.connection, hash, &[child], LONG).await;
        assert_eq!(told.unwrap_err().code, ErrorCode::ProviderFailed);
        mended(&store).await;
        assert!(!store.bitfield(&hash).unwrap().is_complete());
        download(&store, content, options(), &[&from.connection]).await.0.unwrap();
        // A getter that finds its own list damaged gets what is bad of it again.
        flip(&folder.owned(&hash, "data"), 20_000);
        store.delete(&[child.1]).unwrap();
        let got = download(&store, content, options(), &[&from.connection]).await.0;
        let moved = got.unwrap().stats.payload_bytes_read;
        assert_eq!(moved, 1001 * 32 - 16_384 + 699 % 7 + 1);
        served.router.shutdown().await;
        store.close();
    });
}

#[test]
fn p10_a_push_of_damaged_bytes_fails_and_marks_them() {
    run(async {
        let folder = Folder::new("p10-push");
        let store = folder.store();
        let blob = Honest::of_size(300_000);
        add(&store, blob.data.clone());
        let options = gaiwan_blobs::provider::ProviderOptions {
            allow: vec![gaiwan_blobs::proto::RequestKind::Push],
            ..Default::default()
        };
        let to = memory();
        let served = crate::peers::serve_with(&to, options, None).await;
        flip(&folder.owned(&blob.hash, "data"), 250_000);
        let failed = push(&served.connection, &store, HashAndFormat::raw(blob.hash)).await;
        assert_eq!(failed.unwrap_err().code, ErrorCode::BlobCorrupt);
        mended(&store).await;
        assert_eq!(blob.check(&store), &chunks(0..293) - &chunks(240..256));
        assert!(!to.bitfield(&blob.hash).unwrap().is_complete());
        store.close();
    });
}
