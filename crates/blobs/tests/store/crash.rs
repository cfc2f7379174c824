//! S1: a process that works on a store is killed at any moment, again and again.
//!
//! What is tested is the end of a process. What a power failure does to a disk is not: no test can bring that about, and
//! the order of flushes is there to be read.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use gaiwan_blobs::store::Store;

use crate::{
    child::{self, Lines},
    folder::Folder,
    promises::Promises,
    worker::{Random, options, prepare, work},
};

const TEST: &str = "crash::s1_whatever_is_said_before_a_kill_is_so_after_it";
/// Rounds in one directory, before a new one is begun.
const ROUNDS_A_FOLDER: u64 = 20;

/// `GAIWAN_CRASH_ROUNDS` makes it longer, `GAIWAN_CRASH_SEED` another one.
#[test]
fn s1_whatever_is_said_before_a_kill_is_so_after_it() {
    if let Some(role) = child::role() {
        let [seed, durable, root] = role.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!() };
        return work(Path::new(root), seed.parse().unwrap(), durable == "durable");
    }
    let rounds = number("GAIWAN_CRASH_ROUNDS").unwrap_or(100);
    let first = number("GAIWAN_CRASH_SEED").unwrap_or(1) * 1_000_000;
    let mut killed = 0;
    let mut round = 0;
    while round < rounds {
        let folder = Folder::new();
        fs::create_dir(folder.join("files")).unwrap();
        prepare(folder.path());
        let mut promises = Promises::new();
        for _ in 0..ROUNDS_A_FOLDER.min(rounds - round) {
            let seed = first + round;
            // Told if it fails.
            println!("seed {seed}");
            killed += u64::from(one(folder.path(), seed, &mut promises));
            round += 1;
        }
    }
    assert!(killed > rounds / 2, "{killed} of {rounds} were killed while they worked");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// One process and its end; whether that came while it worked.
fn one(root: &Path, seed: u64, promises: &mut Promises) -> bool {
    let mut random = Random(seed);
    // One in four says things that may be lost: then only what is there has to be right.
    let durable = random.below(4) != 0;
    let role = if durable { "durable" } else { "relaxed" };
    let role = format!("{seed} {role} {}", root.display());
    let mut process = child::command(TEST, &role).spawn().unwrap();
    let mut lines = Lines::of(&mut process);
    // After so many lines and so many microseconds more.
    let after = if random.below(10) == 0 { 0 } else { random.below(100) };
    let mut heard = Vec::new();
    while heard.len() < after
        && let Some(line) = lines.next()
    {
        heard.push(line);
    }
    spin(Duration::from_micros(random.below(4000) as u64));
    kill(&mut process);
    // What was said before it died is still in the pipe; its last line may be cut short.
    heard.extend(lines);
    let done = heard.last().is_some_and(|line| line == "closed");
    heard.iter().for_each(|line| promises.hear(line, durable || done));
    let store = Store::open(&root.join("store"), options(true)).unwrap();
    promises.check(root, &store);
    // Now and then what the dead process left is all that the next one finds, and now and then it was looked after.
    if random.below(5) == 0 {
        promises.hear("collecting", true);
        store.gc(&[]).unwrap();
        promises.check(root, &store);
    }
    store.close();
    !done && !heard.is_empty()
}

/// At once, and nobody else. It has not ended in another way: by its own panic, say.
fn kill(process: &mut Child) {
    process.kill().unwrap();
    let status = process.wait().unwrap();
    assert!(status.success() || status.signal() == Some(9), "{status}");
}

/// Shorter than any sleep can be.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
