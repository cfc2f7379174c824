//! One stream, byte by byte, as the vectors of transcripts have it.

use iroh::endpoint::{RecvStream, SendStream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_look::Sum;
use crate::command::from_hex;
use crate::fault::Fault;
use crate::table::Table;

/// Bytes of one read.
const CHUNK: usize = 64 * 1024;

/// What to write and how long to read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    connection: u32,
    hex: String,
    /// Whether to end the stream after the bytes; an end comes anyway once all is read.
    #[serde(default = "yes")]
    finish: bool,
    /// Reads no more once it has that many; absent: reads to the end.
    max_bytes: Option<u64>,
}

fn yes() -> bool {
    true
}

/// Writes and reads at the same time: `{sent, bytes, hash, hex, end}`.
///
/// `sent` is how writing failed, `null` if it did not. `end` is `{kind: 'fin'}`, `{kind: 'max'}`
/// or how reading failed.
pub async fn transcript(table: &Table, transcript: Transcript) -> Result<Value, Fault> {
    let request = from_hex(&transcript.hex)?;
    let (mut send, mut recv) = table.connection(transcript.connection)?.open_bi().await?;
    let mut sum = Sum::new(true);
    let (sent, end) = tokio::join!(
        write(&mut send, &request, transcript.finish),
        read(&mut recv, &mut sum, transcript.max_bytes.unwrap_or(u64::MAX)),
    );
    let mut answer = sum.finish();
    answer["sent"] = json!(sent.err());
    answer["end"] = match end {
        Ok(kind) => json!({ "kind": kind }),
        Err(fault) => json!(fault),
    };
    Ok(answer)
}

async fn write(send: &mut SendStream, bytes: &[u8], finish: bool) -> Result<(), Fault> {
    send.write_all(bytes).await?;
    if finish {
        send.finish().map_err(Fault::closed_stream)?;
    }
    Ok(())
}

async fn read(recv: &mut RecvStream, sum: &mut Sum, max: u64) -> Result<&'static str, Fault> {
    while sum.count() < max {
        match recv.read_chunk(CHUNK).await? {
            Some(bytes) => sum.add(&bytes),
            None => return Ok("fin"),
        }
    }
    Ok("max")
}
