//! The 26 transcripts of `vectors/blobs.json` against a provider of ours with the same store.

use bao_tree::ChunkNum;
use data_encoding::HEXLOWER;
use gaiwan_base::Hash;
use gaiwan_blobs::{
    getter::{GetOptions, get},
    proto::{ChunkRanges, GetRequest, Request},
    store::Store,
};
use serde_json::Value;

use crate::peers::{add, add_collection, ask, memory, pattern, run, serve};

/// The store of the vectors.
async fn store() -> Store {
    let store = memory();
    for size in [0, 1, 1024, 16_384, 16_385, 65_537, 33] {
        add(&store, pattern(size));
    }
    add_collection(
        &store,
        &[("greeting.txt", b"hello world\n".to_vec()), ("dir/pattern.bin", pattern(16_385))],
    );
    let hashes =
        [&pattern(1)[..], b"not here", &pattern(1024)].map(|bytes| *blake3::hash(bytes).as_bytes());
    add(&store, hashes.concat());
    // Of 70,000 bytes only the first group, as a getter leaves it behind.
    let other = memory();
    let hash = add(&other, pattern(70_000));
    let served = serve(&other).await;
    let first = ChunkRanges::from(..ChunkNum(16));
    let request = Request::Get(GetRequest::blob_ranges(hash, first));
    let (_, result) =
        get(&served.connection, &store, &request, GetOptions::default(), &mut |_| {}).await;
    result.expect("the first group");
    store
}

/// Some sizes are strings.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

#[test]
fn every_transcript_comes_out_byte_for_byte() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/blobs.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let transcripts = vectors["transcripts"].as_array().unwrap().clone();
    assert_eq!(transcripts.len(), 26);
    run(async move {
        let served = serve(&store().await).await;
        let (mut missing, mut observed) = (0, 0);
        for transcript in &transcripts {
            let note = transcript["note"].as_str().unwrap();
            let mut request =
                HEXLOWER.decode(transcript["request"].as_str().unwrap().as_bytes()).unwrap();
            if let Some(length) = transcript["request_len"].as_u64() {
                request.resize(usize::try_from(length).unwrap(), 0);
            }
            let response = &transcript["response"];
            if note.starts_with("observe") {
                observed += 1;
                let (mut send, mut recv) = served.connection.quinn().open_bi().await.unwrap();
                send.write_all(&request).await.unwrap();
                send.finish().unwrap();
                let want = HEXLOWER.decode(response["hex"].as_str().unwrap().as_bytes()).unwrap();
                let mut got = vec![0; want.len()];
                recv.read_exact(&mut got).await.unwrap();
                assert_eq!(got, want, "{note}");
                continue;
            }
            let (bytes, reset) = ask(&served.connection, &request).await;
            let want = match transcript["end"].as_str().unwrap() {
                "fin" => None,
                // The reference resets where something is not here. We end, so that nothing that arrived is thrown away;
                // its getter reads the end as "not found".
                "reset 3" if !note.contains("33 bytes") => {
                    missing += 1;
                    None
                }
                "reset 3" => Some(3),
                "reset 1" => Some(1),
                other => panic!("{other}"),
            };
            assert_eq!(reset, want, "{note}");
            // A reset makes the receiver throw away what it has not read.
            if reset.is_none() {
                assert_eq!(bytes.len() as u64, response["len"].as_u64().unwrap(), "{note}");
                match response["hex"].as_str() {
                    Some(hex) => assert_eq!(HEXLOWER.encode(&bytes), hex, "{note}"),
                    None => {
                        let hash = Hash::from_bytes(*blake3::hash(&bytes).as_bytes());
                        assert_eq!(hash.to_hex(), response["blake3"].as_str().unwrap(), "{note}");
                    }
                }
            }
        }
        assert_eq!((missing, observed), (3, 2));
    });
}

#[test]
fn every_response_and_every_outboard_of_the_vectors_comes_out_byte_for_byte() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/blobs.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    run(async move {
        let store = memory();
        let (hashes, responses) =
            (vectors["hashes"].as_array().unwrap(), vectors["responses"].as_array().unwrap());
        assert_eq!((hashes.len(), responses.len()), (16, 16));
        for vector in hashes {
            let hash = add(&store, pattern(number(&vector["size"])));
            assert_eq!(hash.to_hex(), vector["hash"].as_str().unwrap());
        }
        let served = serve(&store).await;
        for vector in responses {
            let size = number(&vector["size"]);
            add(&store, pattern(size));
            let request = HEXLOWER.decode(vector["request"].as_str().unwrap().as_bytes()).unwrap();
            let (bytes, reset) = ask(&served.connection, &request).await;
            assert_eq!(reset, None);
            let response = &vector["response"];
            assert_eq!(bytes.len() as u64, response["len"].as_u64().unwrap(), "{vector}");
            match response["hex"].as_str() {
                Some(hex) => assert_eq!(HEXLOWER.encode(&bytes), hex),
                None => {
                    assert_eq!(
                        blake3::hash(&bytes).to_hex().as_str(),
                        response["blake3"].as_str().unwrap()
                    );
                }
            }
        }
        for vector in hashes {
            let hash: Hash = vector["hash"].as_str().unwrap().parse().unwrap();
            let request = Request::Get(GetRequest::blob(hash)).encode().unwrap();
            let (bytes, _) = ask(&served.connection, &request).await;
            let response = &vector["response_all"];
            assert_eq!(bytes.len() as u64, response["len"].as_u64().unwrap(), "{vector}");
            match response["hex"].as_str() {
                Some(hex) => assert_eq!(HEXLOWER.encode(&bytes), hex),
                None => {
                    assert_eq!(
                        blake3::hash(&bytes).to_hex().as_str(),
                        response["blake3"].as_str().unwrap()
                    );
                }
            }
        }
    });
}
