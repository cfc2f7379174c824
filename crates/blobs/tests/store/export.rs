//! Blobs as files.

use std::{fs, path::Path};

use gaiwan_base::{ErrorCode, Hash};
use gaiwan_blobs::store::{ExportMode, ExportOptions, Phase, Store, StoreOptions};
use gaiwan_endpoint::Failure;

use crate::{
    child,
    folder::{Folder, names},
    places::{Place, bytes, code, has, quiet},
};

const COPY: ExportOptions =
    ExportOptions { mode: ExportMode::Copy, overwrite: false, verify: true };
const REFERENCE: ExportOptions = ExportOptions { mode: ExportMode::Reference, ..COPY };

#[test]
fn every_size_goes_out_either_way_into_folders_that_are_made() {
    for place in Place::each(StoreOptions::default()) {
        let to = Folder::new();
        for (mode, options) in [("copy", COPY), ("reference", REFERENCE)] {
            for size in [0, 1, 16_384, 16_385, 1_048_577, 4_300_000] {
                let content = bytes(size, u8::from(mode == "copy"));
                let hash = place.add(&content);
                let target = to.join(format!("{mode}/a/b{size}/file"));
                place.store.export(&hash, &target, options, &quiet).unwrap();
                assert!(fs::read(&target).unwrap() == content);
                assert_eq!(names(target.parent().unwrap()), ["file"]);
                has(&place.store, &content);
                place.has_no_orphans();
            }
        }
        if let Some(folder) = &place.folder {
            let data = folder.names("data");
            // Those that were copied; and pairs that are too many for the catalog.
            assert_eq!(data.iter().filter(|name| name.ends_with(".data")).count(), 3);
            assert_eq!(data.iter().filter(|name| name.ends_with(".outboard")).count(), 2);
        }
    }
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    for place in Place::each(StoreOptions::default()) {
        let to = Folder::new();
        let content = bytes(100_000, 0);
        let hash = place.add(&content);
        for (number, options) in [COPY, REFERENCE].into_iter().enumerate() {
            let target = to.file(&format!("there{number}"), b"mine");
            let export = |options| place.store.export(&hash, &target, options, &quiet);
            assert_eq!(code(export(options)), ErrorCode::TargetExists);
            assert_eq!(fs::read(&target).unwrap(), b"mine");
            export(ExportOptions { overwrite: true, ..options }).unwrap();
            assert!(fs::read(&target).unwrap() == content);
            has(&place.store, &content);
            // Onto itself, too.
            export(ExportOptions { overwrite: true, ..options }).unwrap();
            assert!(fs::read(&target).unwrap() == content);
            has(&place.store, &content);
        }
        let folder = to.join("folder");
        fs::create_dir(&folder).unwrap();
        let export = |options| place.store.export(&hash, &folder, options, &quiet);
        assert_eq!(code(export(COPY)), ErrorCode::TargetExists);
        let replace = ExportOptions { overwrite: true, ..COPY };
        assert_eq!(code(export(replace)), ErrorCode::StoreFailed);
        assert!(folder.is_dir());
        assert_eq!(names(to.path()), ["folder", "there0", "there1"]);
    }
}

#[cfg(unix)]
#[test]
fn a_link_at_the_target_is_replaced_and_not_followed() {
    let place = Place::directory(StoreOptions::default());
    let to = Folder::new();
    let hash = place.add(&bytes(100_000, 0));
    let victim = to.file("victim", b"mine");
    let target = to.join("link");
    for link_to in [victim.clone(), to.join("nowhere")] {
        std::os::unix::fs::symlink(link_to, &target).unwrap();
        assert_eq!(code(place.store.export(&hash, &target, COPY, &quiet)), ErrorCode::TargetExists);
        let replace = ExportOptions { overwrite: true, ..COPY };
        place.store.export(&hash, &target, replace, &quiet).unwrap();
        assert!(fs::symlink_metadata(&target).unwrap().is_file());
        assert_eq!(fs::read(&victim).unwrap(), b"mine");
        fs::remove_file(&target).unwrap();
    }
    assert_eq!(names(to.path()), ["victim"]);
}

#[test]
fn s2_corrupt_bytes_do_not_get_out_and_nothing_is_left_behind() {
    for options in [COPY, REFERENCE] {
        let place = Place::directory(StoreOptions::default());
        let folder = place.folder.as_ref().unwrap();
        let content = bytes(3_000_000, 0);
        let hash = place.add(&content);
        let path = folder.owned(&hash, "data");
        let mut bad = content.clone();
        bad[2_500_000] ^= 1;
        fs::write(&path, &bad).unwrap();
        let to = Folder::new();
        let kept = to.file("kept", b"mine");
        let export =
            |name: &str, options| place.store.export(&hash, &to.join(name), options, &quiet);
        assert_eq!(code(export("new/deep/file", options)), ErrorCode::BlobCorrupt);
        let replace = ExportOptions { overwrite: true, ..options };
        assert_eq!(code(export("kept", replace)), ErrorCode::BlobCorrupt);
        assert_eq!(names(to.path()), ["kept"]);
        assert_eq!(fs::read(kept).unwrap(), b"mine");
        assert!(path.exists(), "a reference is made only of what was published");
        // Whoever wants them as they are gets them.
        export("raw", ExportOptions { verify: false, ..COPY }).unwrap();
        assert!(fs::read(to.join("raw")).unwrap() == bad);
    }
}

#[test]
fn an_export_that_is_given_up_leaves_nothing() {
    for place in Place::each(StoreOptions::default()) {
        let to = Folder::new();
        let content = bytes(3_000_000, 0);
        let hash = place.add(&content);
        for options in [COPY, REFERENCE] {
            let told = std::sync::atomic::AtomicU64::new(0);
            let progress = |phase, bytes| {
                assert_eq!(phase, Phase::Write);
                let before = told.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
                match before {
                    0 => Ok(()),
                    _ => Err(Failure::new(ErrorCode::Timeout, "no more")),
                }
            };
            let export = place.store.export(&hash, &to.join("a/b"), options, &progress);
            assert_eq!(code(export), ErrorCode::Timeout);
            assert!(names(to.path()).is_empty());
        }
        has(&place.store, &content);
    }
}

#[test]
fn what_is_not_all_there_is_not_exported() {
    for place in Place::each(StoreOptions::default()) {
        let to = Folder::new();
        let absent = Hash::from_bytes([7; 32]);
        let export = place.store.export(&absent, &to.join("a/b"), COPY, &quiet);
        assert_eq!(code(export), ErrorCode::BlobNotFound);
        assert!(names(to.path()).is_empty());
    }
}

#[test]
fn s1_a_blob_that_was_moved_out_is_there_after_reopening() {
    let place = Place::directory(StoreOptions::default());
    let to = Folder::new();
    let content = bytes(5_000_000, 0);
    let hash = place.add(&content);
    // Text that is not ASCII, and spaces.
    let target = to.join("für später/ä b");
    place.store.export(&hash, &target, REFERENCE, &quiet).unwrap();
    place.store.close();
    let folder = place.folder.as_ref().unwrap();
    let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
    has(&store, &content);
    store.delete(&[hash]).unwrap();
    assert!(fs::read(&target).unwrap() == content, "a file of the user stays");
    assert!(folder.names("data").is_empty());
}

/// Where another file system is at hand: memory, on every Linux.
#[cfg(target_os = "linux")]
#[test]
fn a_reference_on_another_file_system_is_a_copy_and_the_own_one_goes() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::directory(StoreOptions::default());
    let folder = place.folder.as_ref().unwrap();
    let to = std::path::Path::new("/dev/shm").join(format!("gaiwan-{}", std::process::id()));
    // Of another process of that number.
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(&to).unwrap();
    let device = |path: &std::path::Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(&to), device(folder.path()), "the test needs two file systems");
    let content = bytes(5_000_000, 0);
    let hash = place.add(&content);
    let target = to.join("file");
    let exported = place.store.export(&hash, &target, REFERENCE, &quiet);
    let read = fs::read(&target);
    let checked = std::panic::catch_unwind(|| has(&place.store, &content));
    fs::remove_dir_all(&to).unwrap();
    exported.unwrap();
    checked.unwrap();
    assert!(read.unwrap() == content);
    assert_eq!(folder.names("data"), [format!("{hash}.outboard")]);
    // With its file gone it is lost, and said to be.
    assert_eq!(code(place.store.get(&hash, u64::MAX)), ErrorCode::BlobCorrupt);
}

/// An export that stops after its first bytes, for ever.
#[cfg(unix)]
fn stuck(store: &Store, hash: &Hash, target: &Path, options: ExportOptions) -> ! {
    let stop = |_: Phase, bytes: u64| -> Result<(), Failure> {
        if bytes > 0 {
            child::say("begun");
            loop {
                std::thread::park();
            }
        }
        Ok(())
    };
    store.export(hash, target, options, &stop).unwrap();
    unreachable!("it never goes on");
}

#[cfg(unix)]
#[test]
fn s1_what_a_killed_export_leaves_goes_with_the_next_one_to_the_same_target_and_not_before() {
    let content = bytes(3_000_000, 0);
    if let Some(role) = child::role() {
        let [mode, folder, target] = role.split('|').collect::<Vec<_>>().try_into().unwrap();
        let store = Store::open(Path::new(folder), StoreOptions::default()).unwrap();
        let hash = store.import_bytes(content.into()).unwrap().hash;
        let options = if mode == "copy" { COPY } else { REFERENCE };
        stuck(&store, &hash, Path::new(target), options);
    }
    let test = "export::s1_what_a_killed_export_leaves_goes_with_the_next_one_to_the_same_target_and_not_before";
    let place = Place::directory(StoreOptions::default());
    let hash = place.add(&content);
    for mode in ["copy", "reference"] {
        let (to, from) = (Folder::new(), Folder::new());
        let target = to.join("large.bin");
        let parts = || names(to.path()).into_iter().filter(|name| name.ends_with(".part")).count();
        let role = format!("{mode}|{}|{}", from.path().display(), target.display());
        let mut process = child::command(test, &role).spawn().unwrap();
        assert_eq!(child::Lines::of(&mut process).next().as_deref(), Some("begun"));
        assert_eq!(parts(), 1);
        // It is at work: another to the same target takes another name, and leaves it alone.
        place.store.export(&hash, &target, COPY, &quiet).unwrap();
        assert_eq!(parts(), 1);
        process.kill().unwrap();
        process.wait().unwrap();
        // Another file beside it is no reason to look.
        place.store.export(&hash, &to.join("other.bin"), COPY, &quiet).unwrap();
        assert_eq!(parts(), 1);
        let again = ExportOptions { overwrite: true, ..COPY };
        place.store.export(&hash, &target, again, &quiet).unwrap();
        assert_eq!(names(to.path()), ["large.bin", "other.bin"]);
        assert!(fs::read(&target).unwrap() == content);
    }
}

#[cfg(unix)]
#[test]
fn something_else_of_that_name_stays() {
    let place = Place::directory(StoreOptions::default());
    let content = bytes(100_000, 0);
    let hash = place.add(&content);
    let to = Folder::new();
    let target = to.join("file");
    // What it is called is seen while it is there.
    let seen = std::sync::Mutex::new(Vec::new());
    let look = |_: Phase, _: u64| {
        let found = names(to.path()).into_iter().filter(|name| name.ends_with(".part"));
        seen.lock().unwrap().extend(found);
        Ok(())
    };
    place.store.export(&hash, &target, COPY, &look).unwrap();
    let name = seen.into_inner().unwrap().remove(0);
    let outside = to.file("outside", b"mine");
    std::os::unix::fs::symlink(&outside, to.join(&name)).unwrap();
    let again = ExportOptions { overwrite: true, ..COPY };
    place.store.export(&hash, &target, again, &quiet).unwrap();
    assert!(fs::symlink_metadata(to.join(&name)).unwrap().is_symlink());
    assert_eq!(fs::read(&outside).unwrap(), b"mine");
    fs::remove_file(to.join(&name)).unwrap();
    fs::create_dir(to.join(&name)).unwrap();
    place.store.export(&hash, &target, again, &quiet).unwrap();
    assert!(fs::read(&target).unwrap() == content);
    assert!(to.join(&name).is_dir());
}
