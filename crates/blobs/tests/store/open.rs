//! Directories, and who has them.

use std::{fs, path::Path};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::store::{Store, StoreOptions};
use gaiwan_endpoint::Failure;

use crate::{
    child,
    folder::Folder,
    places::{Place, bytes, code, has},
};

fn open(path: &Path) -> Result<Store, Failure> {
    Store::open(path, StoreOptions::default())
}

#[test]
fn s4_a_second_owner_in_the_same_process_is_refused() {
    let folder = Folder::new();
    let store = open(folder.path()).unwrap();
    assert_eq!(code(open(folder.path())), ErrorCode::StoreLocked);
    // The attempt has changed nothing.
    store.import_bytes(bytes(100_000, 0).into()).unwrap();
    assert_eq!(code(open(folder.path())), ErrorCode::StoreLocked);
    has(&store, &bytes(100_000, 0));
}

#[test]
fn s4_an_owner_in_another_process_excludes_and_its_end_frees() {
    let name = "open::s4_an_owner_in_another_process_excludes_and_its_end_frees";
    if let Some(path) = child::role() {
        let _store = open(Path::new(&path)).unwrap();
        child::say("open");
        return child::wait_for_word();
    }
    let folder = Folder::new();
    let content = bytes(100_000, 0);
    open(folder.path()).unwrap().import_bytes(content.clone().into()).unwrap();
    let mut other = child::command(name, folder.path().to_str().unwrap()).spawn().unwrap();
    let mut lines = child::Lines::of(&mut other);
    assert_eq!(lines.next().as_deref(), Some("open"));
    assert_eq!(code(open(folder.path())), ErrorCode::StoreLocked);
    // A lock dies with its process, however that ends.
    other.kill().unwrap();
    other.wait().unwrap();
    has(&open(folder.path()).unwrap(), &content);
}

#[test]
fn s4_a_directory_is_free_right_after_the_end() {
    let folder = Folder::new();
    for round in 0..20_u8 {
        let store = open(folder.path()).unwrap();
        for before in 0..round {
            has(&store, &bytes(20_000, before));
        }
        store.import_bytes(bytes(20_000, round).into()).unwrap();
        // These live on, and keep nobody out.
        let _handles = (
            store.clone(),
            store.reader(&crate::places::hash(&bytes(20_000, round))).unwrap(),
            store.upload().unwrap(),
            store.watch(Hash::EMPTY).unwrap(),
            store.hold(HashAndFormat::raw(Hash::EMPTY)),
            store.writer(Hash::from_bytes([1; 32])).unwrap(),
        );
        if round % 2 == 0 {
            store.close();
            open(folder.path()).unwrap();
        }
    }
}

#[test]
fn s4_an_import_that_runs_while_the_store_ends_leaves_nothing() {
    for round in 0..10 {
        let folder = Folder::new();
        let store = open(folder.path()).unwrap();
        let imported = std::thread::scope(|scope| {
            let imports = scope.spawn(|| {
                let mut imported = Vec::new();
                for seed in 0.. {
                    match store.import_bytes(bytes(400_000, seed).into()) {
                        Ok(_) => imported.push(bytes(400_000, seed)),
                        Err(failure) => {
                            assert_eq!(failure.code, ErrorCode::StoreClosed);
                            break;
                        }
                    }
                    assert!(seed < 250, "the end must come");
                }
                imported
            });
            while store.list(None, 100).unwrap().len() <= round {
                std::thread::yield_now();
            }
            store.close();
            // Free though the import may still run; what it did not finish is not there.
            let again = open(folder.path()).unwrap();
            let imported = imports.join().unwrap();
            for content in &imported {
                has(&again, content);
            }
            let data = folder.names("data").len();
            assert_eq!(data, again.list(None, 1000).unwrap().len());
            assert!(folder.names("temp").is_empty());
            imported
        });
        assert!(imported.len() >= round);
    }
}

#[test]
fn s4_paths_may_have_spaces_and_any_letters() {
    let folder = Folder::new();
    for name in ["with some spaces", "日本語/für/Ωmega 🫖", "'quoted' \"twice\"", "-dash"] {
        let path = folder.join(name);
        let content = bytes(100_000, 0);
        let store = open(&path).unwrap();
        store.import_bytes(content.clone().into()).unwrap();
        store.close();
        has(&open(&path).unwrap(), &content);
    }
}

#[cfg(unix)]
#[test]
fn s4_a_linked_directory_is_the_directory_it_links_to() {
    let folder = Folder::new();
    fs::create_dir(folder.join("real")).unwrap();
    let link = folder.join("link");
    std::os::unix::fs::symlink(folder.join("real"), &link).unwrap();
    let content = bytes(100_000, 0);
    let store = open(&link).unwrap();
    store.import_bytes(content.clone().into()).unwrap();
    assert_eq!(code(open(&folder.join("real"))), ErrorCode::StoreLocked);
    // Where the link leads to later does not matter.
    fs::remove_file(&link).unwrap();
    has(&store, &content);
    store.import_bytes(bytes(100_000, 1).into()).unwrap();
    store.close();
    has(&open(&folder.join("real")).unwrap(), &content);
    // A link that leads nowhere is no directory.
    std::os::unix::fs::symlink(folder.join("nowhere/deep"), &link).unwrap();
    assert_eq!(code(open(&link)), ErrorCode::StoreFailed);
}

#[test]
fn s2_foreign_files_stay_and_what_was_left_over_goes() {
    let place = Place::directory(StoreOptions::default());
    let content = bytes(5_000_000, 0);
    let kept = place.add(&content);
    place.store.close();
    let Place { folder, store } = place;
    let folder = folder.unwrap();
    drop(store);
    let other = Hash::from_bytes([7; 32]);
    let foreign = [
        "notes.txt".into(),
        "data/README".into(),
        format!("data/{kept}.data.bak"),
        format!("data/{}.data", "a".repeat(64).to_uppercase()),
        format!("data/{other}.obao4"),
        format!("data/{}.data", &other.to_hex()[..63]),
    ];
    let left_over = [
        format!("data/{other}.data"),
        format!("data/{other}.outboard"),
        "temp/0123".into(),
        "temp/anything at all".into(),
    ];
    for name in foreign.iter().chain(&left_over) {
        folder.file(name, b"foreign");
    }
    fs::create_dir_all(folder.join("temp/folder")).unwrap();
    // Not a file, and yet it has the name of one: no reason not to open.
    let third = Hash::from_bytes([8; 32]);
    fs::create_dir_all(folder.owned(&third, "data")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/nowhere", folder.join("temp/link")).unwrap();
    let store = open(folder.path()).unwrap();
    for name in foreign {
        assert_eq!(fs::read(folder.join(&name)).unwrap(), b"foreign", "{name}");
    }
    for name in left_over {
        assert!(!folder.join(&name).exists(), "{name}");
    }
    assert_eq!(folder.names("temp"), ["folder"]);
    has(&store, &content);
}

#[test]
fn s2_a_catalog_that_is_no_catalog_is_store_failed_and_nothing_is_swept() {
    let place = Place::directory(StoreOptions::default());
    let contents: Vec<_> = (0..50).map(|n| bytes(5000 + n * 1000, 0)).collect();
    for content in &contents {
        place.add(content);
    }
    place.store.close();
    let folder = place.folder.as_ref().unwrap();
    let good = fs::read(folder.join("catalog.redb")).unwrap();
    let files = folder.names("data");
    assert!(!files.is_empty());
    let noise: Vec<u8> = bytes(good.len(), 7);
    let headless = [&[0; 4096][..], &good[4096..]].concat();
    for (what, bad) in [
        ("noise", noise.clone()),
        ("text", b"not a database at all".to_vec()),
        ("one byte", vec![1]),
        ("its first page", good[..4096].to_vec()),
        ("its first half", good[..good.len() / 2].to_vec()),
        ("all but its end", good[..good.len() - 4096].to_vec()),
        ("all but its first page", headless),
        ("noise behind its first page", [&good[..4096], &noise[4096..]].concat()),
    ] {
        fs::write(folder.join("catalog.redb"), &bad).unwrap();
        match open(folder.path()) {
            Err(failure) => assert_eq!(failure.code, ErrorCode::StoreFailed, "{what}"),
            // redb finds a state to go back to; what it tells of is what it says.
            Ok(store) => {
                for row in store.list(None, 1000).unwrap_or_default() {
                    let checked = store.verify(&row.hash, false).unwrap().unwrap();
                    assert_eq!(checked.verdict, gaiwan_blobs::store::Verdict::Ok, "{what}");
                }
            }
        }
        assert_eq!(folder.names("data"), files, "{what}");
    }
    fs::write(folder.join("catalog.redb"), &good).unwrap();
    let store = open(folder.path()).unwrap();
    contents.iter().for_each(|content| has(&store, content));
}

#[test]
fn s1_a_catalog_whose_making_was_cut_short_is_made_anew() {
    let folder = Folder::new();
    for left in [vec![], vec![0; 4096], vec![0; 1 << 20], {
        // The header without its magic number, as redb writes it first.
        let mut bytes = vec![0; 1 << 20];
        bytes[9..300].fill(1);
        bytes
    }] {
        folder.file("catalog.redb", &left);
        let store = open(folder.path()).unwrap();
        store.import_bytes("new".into()).unwrap();
        has(&store, b"new");
        store.close();
        has(&open(folder.path()).unwrap(), b"new");
    }
}

#[test]
fn a_directory_that_is_a_file_is_store_failed() {
    let folder = Folder::new();
    folder.file("file", b"");
    assert_eq!(code(open(&folder.join("file"))), ErrorCode::StoreFailed);
    assert_eq!(code(open(&folder.join("file/below"))), ErrorCode::StoreFailed);
}

#[test]
fn relaxed_durability_keeps_what_was_closed_or_synced() {
    let folder = Folder::new();
    let relaxed = || StoreOptions { durable: false, ..StoreOptions::default() };
    let store = Store::open(folder.path(), relaxed()).unwrap();
    for n in 0..100 {
        store.import_bytes(bytes(100 + n * 500, 0).into()).unwrap();
    }
    store.close();
    let store = Store::open(folder.path(), relaxed()).unwrap();
    for n in 0..100 {
        has(&store, &bytes(100 + n * 500, 0));
    }
}
