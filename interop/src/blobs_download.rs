//! The command that drives the reference's downloader.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use iroh::address_lookup::memory::MemoryLookup;
use iroh::{EndpointAddr, EndpointId};
use iroh_blobs::Hash;
use iroh_blobs::api::downloader::{
    DownloadOptions, DownloadProgressItem, Downloader, FiniteRequest, SplitStrategy,
};
use iroh_blobs::protocol::{GetManyRequest, GetRequest};
use iroh_blobs::util::connection_pool::Options;
use n0_future::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::blobs_request::Ranges;
use crate::fault::Fault;
use crate::table::Table;

/// What to download and from whom.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    endpoint: u32,
    store: u32,
    want: Want,
    /// Tried in this order.
    providers: Vec<Source>,
    /// One request for each child, instead of one after another.
    #[serde(default)]
    split: bool,
    /// Absent: the reference's own, 1,000.
    connect_timeout_ms: Option<u64>,
    alpn: Option<String>,
}

/// `{"hash": …, "ranges": …}`, or `{"hashes": […]}`, which are sorted and made unique.
#[derive(Deserialize)]
#[serde(untagged)]
enum Want {
    One { hash: Hash, ranges: Ranges },
    Many { hashes: Vec<Hash> },
}

#[derive(Deserialize)]
struct Source {
    id: EndpointId,
    addresses: Vec<SocketAddr>,
}

/// Downloads: `{error?, progress, events}`, the events being `{event: 'tryProvider' |
/// 'providerFailed', id, hash}`, `{event: 'partComplete', hash}` and `{event: 'partFailed'}`.
pub async fn download(table: &Table, download: Download) -> Result<Value, Fault> {
    let endpoint = table.endpoint(download.endpoint)?.endpoint();
    let lookup = MemoryLookup::new();
    for Source { id, addresses } in &download.providers {
        let mut to = EndpointAddr::new(*id);
        for address in addresses {
            to = to.with_ip_addr(*address);
        }
        lookup.add_endpoint_info(to);
    }
    endpoint.address_lookup().map_err(Fault::usage)?.add(lookup);
    let mut pool = Options::default();
    if let Some(ms) = download.connect_timeout_ms {
        pool.connect_timeout = Duration::from_millis(ms);
    }
    let store = table.store(download.store)?;
    let mut builder = Downloader::builder(&store, &endpoint).pool_options(pool);
    if let Some(alpn) = download.alpn {
        builder = builder.alpn(alpn);
    }
    let request = match download.want {
        Want::One { hash, ranges } => FiniteRequest::Get(GetRequest::new(hash, ranges.build())),
        Want::Many { hashes } => {
            FiniteRequest::GetMany(hashes.into_iter().collect::<GetManyRequest>())
        }
    };
    let ids: Vec<EndpointId> = download.providers.iter().map(|source| source.id).collect();
    let strategy = if download.split { SplitStrategy::Split } else { SplitStrategy::None };
    let options = DownloadOptions { request, providers: Arc::new(ids), strategy };
    follow(builder.build(), options).await
}

async fn follow(downloader: Downloader, options: DownloadOptions) -> Result<Value, Fault> {
    let mut items = downloader.download_with_opts(options).stream().await?;
    let (mut error, mut progress, mut events) = (None, 0, Vec::new());
    while let Some(item) = items.next().await {
        events.push(match item {
            DownloadProgressItem::Progress(bytes) => {
                progress = bytes;
                continue;
            }
            DownloadProgressItem::Error(cause) => {
                error = Some(format!("{cause:#}"));
                continue;
            }
            DownloadProgressItem::TryProvider { id, request } => {
                json!({ "event": "tryProvider", "id": id.to_string(), "hash": request.hash })
            }
            DownloadProgressItem::ProviderFailed { id, request } => {
                json!({ "event": "providerFailed", "id": id.to_string(), "hash": request.hash })
            }
            DownloadProgressItem::PartComplete { request } => {
                json!({ "event": "partComplete", "hash": request.hash })
            }
            DownloadProgressItem::DownloadError => {
                error.get_or_insert_with(|| "a part failed".to_owned());
                json!({ "event": "partFailed" })
            }
        });
    }
    Ok(json!({ "error": error, "progress": progress, "events": events }))
}
