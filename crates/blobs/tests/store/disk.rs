//! A disk that is full, and one that can't be written.

use std::{
    fs,
    io::ErrorKind,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use gaiwan_base::{ErrorCode, Hash, HashAndFormat};
use gaiwan_blobs::store::{
    ExportMode, ExportOptions, ImportMode, Store, StoreOptions, Verdict, Written,
};

use crate::{
    child,
    filling::{batch, outboard},
    folder::Folder,
    places::{bytes, code, has, lacks, quiet},
};

/// A child whose files can't grow beyond `kib` KiB: the disk is full for whoever writes more (setrlimit(2),
/// RLIMIT_FSIZE; the signal is ignored, so that write(2) fails). No test can fill a real disk without privileges.
fn limited(test: &str, role: &str, kib: u64) -> Command {
    let mut command = Command::new("sh");
    // In blocks of 512 bytes (POSIX, ulimit).
    let script = format!(r#"trap "" XFSZ; ulimit -S -f {}; exec "$0" "$@""#, kib * 2);
    command.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    child::as_child(&mut command, test, role);
    command
}

/// Runs `first` with little room and then, when there is room again, `second`, in the same process and store.
fn with_a_full_disk(
    test: &str,
    kib: u64,
    first: impl FnOnce(&Store, &Folder),
    second: impl FnOnce(&Store, &Folder),
) {
    if child::role().is_some() {
        let folder = Folder::new();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        first(&store, &folder);
        child::say("full");
        child::wait_for_word();
        second(&store, &folder);
        store.close();
        // What was repaired on the way is sound.
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        for row in store.list(None, 10_000).unwrap() {
            let checked = store.verify(&row.hash, false).unwrap().unwrap();
            assert_eq!(checked.verdict, Verdict::Ok);
        }
        assert!(folder.names("temp").is_empty());
        return child::say("done");
    }
    let mut process = limited(test, "limited", kib).spawn().unwrap();
    let mut lines = child::Lines::of(&mut process);
    assert_eq!(lines.next().as_deref(), Some("full"));
    let pid = process.id().to_string();
    let free = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status();
    assert!(free.unwrap().success());
    drop(process.stdin.take());
    assert_eq!(lines.next().as_deref(), Some("done"));
    assert!(process.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn s2_a_disk_that_is_full_for_data_takes_what_is_smaller_and_later_the_rest() {
    let large = bytes(5_000_000, 0);
    with_a_full_disk(
        "disk::s2_a_disk_that_is_full_for_data_takes_what_is_smaller_and_later_the_rest",
        2000,
        |store, folder| {
            let import = store.import_bytes(large.clone().into());
            assert_eq!(code(import), ErrorCode::StoreFull);
            let mut upload = store.upload().unwrap();
            upload.push(&large[..1_000_000]).unwrap();
            assert_eq!(code(upload.push(&large[1_000_000..])), ErrorCode::StoreFull);
            drop(upload);
            lacks(store, &crate::places::hash(&large));
            assert_eq!(store.used_bytes(), 0);
            assert!(folder.names("temp").is_empty() && folder.names("data").is_empty());
            store.import_bytes(bytes(1_000_000, 1).into()).unwrap();
            has(store, &bytes(1_000_000, 1));
        },
        |store, folder| {
            store.import_bytes(large.clone().into()).unwrap();
            has(store, &large);
            has(store, &bytes(1_000_000, 1));
            assert_eq!(folder.names("data").len(), 3);
        },
    );
}

#[cfg(target_os = "linux")]
#[test]
fn s2_a_blob_that_is_being_filled_survives_a_full_disk() {
    let content = bytes(3_000_000, 0);
    let (hash, outboard) = outboard(&content);
    let batch = |groups| batch(hash, &content, &outboard, groups);
    with_a_full_disk(
        "disk::s2_a_blob_that_is_being_filled_survives_a_full_disk",
        2000,
        |store, _| {
            let writer = store.writer(hash).unwrap().unwrap();
            writer.write(3_000_000, &batch(0..60)).unwrap();
            let failure = writer.write(3_000_000, &batch(100..140)).err().unwrap();
            assert_eq!(failure.code, ErrorCode::StoreFull);
            assert_eq!(store.used_bytes(), 60 * 16_384);
            // The same writer goes on.
            writer.write(3_000_000, &batch(60..90)).unwrap();
            drop(writer);
            let reader = store.reader(&hash).unwrap();
            assert!(reader.read(0, 90 * 16_384).unwrap() == content[..90 * 16_384]);
        },
        |store, _| {
            let writer = store.writer(hash).unwrap().unwrap();
            match writer.write(3_000_000, &batch(90..184)).unwrap() {
                Written::Complete(pending) => pending.wait().unwrap(),
                _ => panic!("all has come"),
            }
            has(store, &content);
        },
    );
}

#[cfg(target_os = "linux")]
#[test]
fn s2_a_catalog_that_cannot_grow_is_no_reason_to_restart() {
    let content = |n: u32| [&n.to_le_bytes()[..], &bytes(15_000, 0)].concat();
    let kept = std::sync::Mutex::new(Vec::new());
    with_a_full_disk(
        "disk::s2_a_catalog_that_cannot_grow_is_no_reason_to_restart",
        4000,
        |store, _| {
            let mut kept = kept.lock().unwrap();
            store.set_tag("before".into(), HashAndFormat::raw(Hash::EMPTY)).unwrap();
            let failure = loop {
                let n = u32::try_from(kept.len()).unwrap();
                assert!(n < 2000, "there is a limit");
                match store.import_bytes(content(n).into()) {
                    Ok(_) => kept.push(n),
                    Err(failure) => break failure,
                }
            };
            assert_eq!(failure.code, ErrorCode::StoreFull, "{failure:?}");
            assert!(kept.len() > 10);
            let refused = content(u32::try_from(kept.len()).unwrap());
            // All that was acknowledged is there, and the rest is not.
            for n in kept.iter().copied() {
                has(store, &content(n));
            }
            lacks(store, &crate::places::hash(&refused));
            assert!(store.tag(b"before").unwrap().is_some());
        },
        |store, _| {
            let kept = kept.lock().unwrap();
            for n in 0..u32::try_from(kept.len()).unwrap() + 50 {
                store.import_bytes(content(n).into()).unwrap();
                has(store, &content(n));
            }
            store.set_tag("after".into(), HashAndFormat::raw(Hash::EMPTY)).unwrap();
            store.gc(&[]).unwrap();
            assert!(store.list(None, 1).unwrap().is_empty());
        },
    );
}

#[cfg(target_os = "linux")]
#[test]
fn s2_an_export_to_a_full_disk_leaves_nothing() {
    let content = bytes(3_000_000, 0);
    let (hash, outboard) = outboard(&content);
    let to = Folder::new();
    // The child's own.
    let target = to.join("a/b");
    with_a_full_disk(
        "disk::s2_an_export_to_a_full_disk_leaves_nothing",
        2000,
        |store, folder| {
            // A file that is larger than any that can be made here now.
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
            let small = fs::read(&source).unwrap();
            let added = store.import_file(&source, ImportMode::Reference, &quiet).unwrap();
            let out = folder.join("out/small");
            store.export(&added.hash, &out, ExportOptions::default(), &quiet).unwrap();
            assert!(fs::read(out).unwrap() == small);
            let exe = std::env::current_exe().unwrap();
            let large = store.import_file(&exe, ImportMode::Reference, &quiet).unwrap();
            for mode in [ExportMode::Copy, ExportMode::Reference] {
                let options = ExportOptions { mode, ..ExportOptions::default() };
                let export = store.export(&large.hash, &target, options, &quiet);
                assert_eq!(code(export), ErrorCode::StoreFull);
                assert!(crate::folder::names(to.path()).is_empty());
            }
        },
        |store, _| {
            let writer = store.writer(hash).unwrap().unwrap();
            let batch = batch(hash, &content, &outboard, 0..184);
            if let Written::Complete(pending) = writer.write(3_000_000, &batch).unwrap() {
                pending.wait().unwrap();
            }
            store.export(&hash, &target, ExportOptions::default(), &quiet).unwrap();
            assert!(fs::read(&target).unwrap() == content);
        },
    );
}

#[test]
fn s2_a_directory_that_cannot_be_written_is_store_failed() {
    let name = "disk::s2_a_directory_that_cannot_be_written_is_store_failed";
    if let Some(root) = child::role() {
        let root = Path::new(&root);
        for path in ["store", "new/store"] {
            let opened = Store::open(&root.join(path), StoreOptions::default());
            child::say(&format!("{:?}", code(opened)));
        }
        return;
    }
    // Where anybody can go, for the child may be another user: nothing stops root.
    let root = std::env::temp_dir().join(format!("gaiwan-read-only-{}", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    let content = bytes(100_000, 0);
    let store = Store::open(&root.join("store"), StoreOptions::default()).unwrap();
    store.import_bytes(content.clone().into()).unwrap();
    store.close();
    let exe = root.join("tests");
    fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    set_mode(&root, 0o555);
    set_mode(&root.join("store"), 0o555);
    let mut command = Command::new(&exe);
    child::as_child(&mut command, name, root.to_str().unwrap());
    if fs::metadata(&root).unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    // Another test that starts a process at this moment gives it, until it is another program, our handle that wrote the
    // copy; and a file that is open for writing can't be run.
    let spawned = loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            spawned => break spawned,
        }
    };
    let said = spawned.map(|mut child| {
        let said: Vec<String> = child::Lines::of(&mut child).collect();
        child.wait().unwrap();
        said
    });
    set_mode(&root, 0o755);
    set_mode(&root.join("store"), 0o755);
    let reopened = Store::open(&root.join("store"), StoreOptions::default());
    let checked = std::panic::catch_unwind(|| has(&reopened.unwrap(), &content));
    fs::remove_dir_all(&root).unwrap();
    checked.unwrap();
    assert_eq!(said.unwrap(), ["StoreFailed", "StoreFailed"]);
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
