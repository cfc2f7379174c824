//! What a transfer leaves behind that ended somewhere, and that it can always go on from there.

use std::sync::Arc;

use bao_tree::ChunkNum;
use gaiwan_base::HashAndFormat;
use gaiwan_blobs::{
    download::{Download, DownloadOptions, TagAs},
    getter::GetOptions,
    proto::{ChunkRanges, GetRequest, Request},
    store::{Store, StoreOptions},
};
use gaiwan_endpoint::TransportOptions;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::sync::mpsc::unbounded_channel;

use crate::{
    honest::{Honest, chunks},
    hostile_provider::peer::{Parrot, fetch, liar, liar_over},
    peers::{LONG, Served, add, ask, memory, run, serve},
};

fn plain() -> DownloadOptions {
    DownloadOptions { tag: TagAs::Nothing, ..DownloadOptions::default() }
}

#[test]
fn a_download_that_is_dropped_stops_its_provider_and_is_taken_up_by_the_next() {
    run(async {
        let blob = Honest::of_size(200_000);
        let content = HashAndFormat::raw(blob.hash);
        let half = blob.whole()[..100_000].to_vec();
        let ((begun, mut beginnings), (ended, mut ends)) =
            (unbounded_channel(), unbounded_channel());
        let liar = liar(move |_, mut send| {
            let (half, begun, ended) = (half.clone(), begun.clone(), ended.clone());
            async move {
                send.write_all(&half).await.unwrap();
                begun.send(()).unwrap();
                let _ = ended.send(send.stopped().await);
            }
        })
        .await;
        let to = memory();
        let (download, providers) = Download::new(to.clone(), content, plain(), Arc::new(|_| {}));
        providers.add(0, liar.connection.clone());
        let running = tokio::spawn(download.run());
        beginnings.recv().await.unwrap();
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        assert_eq!(ends.recv().await.unwrap().unwrap(), Some(0u32.into()));
        let from = memory();
        add(&from, blob.data.clone());
        let served = serve(&from).await;
        let (download, providers) = Download::new(to.clone(), content, plain(), Arc::new(|_| {}));
        providers.add(0, served.connection.clone());
        download.run().await.unwrap();
        blob.assert_complete(&to);
    });
}

#[test]
fn a_get_that_is_dropped_while_it_waits_stores_what_it_has_checked() {
    run(async {
        let blob = Honest::of_size(200_000);
        let parts = blob.parts(&ChunkRanges::all());
        // Five groups, far less than is written at a time, and a piece of the sixth.
        let leaf = parts.iter().filter(|part| part.leaf.is_some()).nth(4).unwrap().at.end;
        let bytes = blob.whole()[..leaf + 12_000].to_vec();
        let (written, mut writes) = unbounded_channel();
        // With a window this narrow, what is written to the end was read nearly to the end.
        let narrow =
            TransportOptions { stream_receive_window: Some(1000), ..TransportOptions::default() };
        let liar = liar_over(TransportOptions::default(), narrow, move |_, mut send| {
            let (bytes, written) = (bytes.clone(), written.clone());
            async move {
                send.write_all(&bytes).await.unwrap();
                written.send(()).unwrap();
                let _ = send.stopped().await;
            }
        })
        .await;
        let store = memory();
        let mut watch = store.watch(blob.hash).unwrap();
        assert!(watch.now().is_empty());
        let (connection, to) = (liar.connection.clone(), store.clone());
        let request = Request::Get(GetRequest::blob(blob.hash));
        let running =
            tokio::spawn(
                async move { fetch(&connection, &to, &request, GetOptions::default()).await },
            );
        writes.recv().await.unwrap();
        assert!(watch.now().is_empty(), "nothing is written yet");
        running.abort();
        assert_eq!(watch.changed().await.ranges(), &chunks(0..80));
        assert_eq!(blob.check(&store), chunks(0..80));
    });
}

/// Ranges of a blob of so many chunks, some past its end.
fn some_ranges(chunks: u64) -> impl Strategy<Value = ChunkRanges> {
    let range = (0..chunks + 20, 1..chunks + 20);
    proptest::collection::vec(range, 0..4).prop_map(|ranges| {
        ranges.into_iter().fold(ChunkRanges::empty(), |all, (start, length)| {
            all | ChunkRanges::from(ChunkNum(start)..ChunkNum(start + length))
        })
    })
}

#[derive(Debug, Clone)]
struct Case {
    size: u64,
    /// What the provider has, what the getter has, what it asks for.
    there: Option<ChunkRanges>,
    here: ChunkRanges,
    asked: ChunkRanges,
    /// Where the response is cut, in thousandths, and how.
    cut: usize,
    reset: Option<u32>,
    in_directory: bool,
}

fn some_case() -> impl Strategy<Value = Case> {
    let size = prop_oneof![0..70_000u64, 1..40u64, (0..12u64).prop_map(|groups| groups * 16_384)];
    size.prop_flat_map(|size| {
        let chunks = size.div_ceil(1024).max(1);
        let ranges = || some_ranges(chunks);
        let cut = prop_oneof![3 => 0..1000usize, 1 => Just(1000)];
        let reset = proptest::option::weighted(0.3, 0..5u32);
        (Just(size), proptest::option::of(ranges()), ranges(), ranges(), cut, reset, any::<bool>())
            .prop_map(|(size, there, here, asked, cut, reset, in_directory)| Case {
                size,
                there,
                here,
                asked,
                cut,
                reset,
                in_directory,
            })
    })
}

/// Those who are there for all cases.
struct Peers {
    parrot: Parrot,
    full: Store,
    served: Served,
}

/// Fetches these ranges from an honest provider of all of it.
async fn fill(parrot: &Parrot, store: &Store, blob: &Honest, ranges: &ChunkRanges) {
    if ranges.is_empty() {
        return;
    }
    let honest = parrot.says(blob.response(ranges));
    let request = Request::Get(GetRequest::blob_ranges(blob.hash, ranges.clone()));
    fetch(honest, store, &request, GetOptions::default()).await.2.unwrap();
    blob.check(store);
}

async fn try_case(peers: &Peers, case: &Case, folder: &std::path::Path) {
    let (blob, from) = (Honest::of_size(case.size), memory());
    add(&peers.full, blob.data.clone());
    match &case.there {
        Some(ranges) => fill(&peers.parrot, &from, &blob, ranges).await,
        None => drop(add(&from, blob.data.clone())),
    }
    let to = if case.in_directory {
        Store::open(folder, StoreOptions { durable: false, ..StoreOptions::default() }).unwrap()
    } else {
        memory()
    };
    fill(&peers.parrot, &to, &blob, &case.here).await;
    let before = blob.check(&to);
    // What the real provider says, cut.
    let served = serve(&from).await;
    let request = Request::Get(GetRequest::blob_ranges(blob.hash, case.asked.clone()));
    let (bytes, reset) = ask(&served.connection, &request.encode().unwrap()).await;
    assert_eq!(reset, None);
    assert!(blob.response(&case.asked).starts_with(&bytes) || case.asked.is_empty());
    let cut = bytes[..bytes.len() * case.cut / 1000].to_vec();
    let cutter = peers.parrot.ends(cut, case.reset);
    let _ = fetch(cutter, &to, &request, GetOptions::default()).await;
    let after = blob.check(&to);
    assert!(before.is_subset(&after), "something was lost");
    if case.in_directory && case.cut.is_multiple_of(2) {
        to.close();
        drop(to);
        let to = Store::open(folder, StoreOptions::default()).unwrap();
        assert_eq!(blob.check(&to), after, "what was said to be here is not after a restart");
        resume(&to, &blob, &peers.served).await;
        to.close();
        return;
    }
    resume(&to, &blob, &peers.served).await;
    to.close();
}

/// From what is here to all of it.
async fn resume(to: &Store, blob: &Honest, served: &Served) {
    let content = HashAndFormat::raw(blob.hash);
    let (download, providers) = Download::new(to.clone(), content, plain(), Arc::new(|_| {}));
    providers.add(0, served.connection.clone());
    drop(providers);
    let here = blob.check(to);
    let done = download.run().await.unwrap();
    assert_eq!(done.size, blob.size());
    // Nothing is brought twice but the chunk that proves the size.
    let lacking = blob.size().div_ceil(1024).saturating_sub(count(&here));
    assert!(done.stats.payload_bytes_read <= lacking * 1024 + 16_384, "{here:?}");
    if blob.size() > 0 {
        blob.assert_complete(to);
    }
}

fn count(ranges: &ChunkRanges) -> u64 {
    ranges.boundaries().chunks(2).map(|pair| pair[1].0 - pair[0].0).sum()
}

#[test]
fn any_transfer_that_is_cut_anywhere_leaves_the_truth_and_can_be_finished() {
    let folder = std::env::temp_dir().join(format!("gaiwan-resume-{}", std::process::id()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let peers = runtime.block_on(async {
        let full = memory();
        let served = serve(&full).await;
        Peers { parrot: Parrot::new().await, full, served }
    });
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let result = runner.run(&some_case(), |case| {
        let _ = std::fs::remove_dir_all(&folder);
        runtime.block_on(async {
            tokio::time::timeout(LONG, try_case(&peers, &case, &folder)).await.expect("it hangs");
        });
        Ok(())
    });
    let _ = std::fs::remove_dir_all(&folder);
    if let Err(error) = result {
        panic!("{error}");
    }
}
