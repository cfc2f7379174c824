//! Options as JavaScript gives them; the facade has checked their ranges.

use std::time::Duration;

use bytes::Bytes;
use gaiwan_endpoint::{
    BindAddr, Congestion, DialOptions, EndpointOptions, RetryPolicy, TransportOptions,
};
use napi_derive::napi;

/// QUIC settings; absent is the default.
#[napi(object)]
#[derive(Default)]
pub struct NativeTransport {
    /// Milliseconds.
    pub idle_timeout_ms: Option<f64>,
    /// Milliseconds, 0 for none.
    pub keep_alive_ms: Option<f64>,
    /// Count.
    pub max_bidi_streams: Option<u32>,
    /// Count.
    pub max_uni_streams: Option<u32>,
    /// Bytes.
    pub stream_receive_window: Option<f64>,
    /// Bytes.
    pub receive_window: Option<f64>,
    /// Bytes.
    pub send_window: Option<f64>,
    /// Bytes, 0 for no datagrams.
    pub datagram_receive_buffer: Option<f64>,
    /// Bytes.
    pub datagram_send_buffer: Option<f64>,
    /// Milliseconds.
    pub initial_rtt_ms: Option<f64>,
    /// Bytes.
    pub initial_mtu: Option<u16>,
    /// Bytes.
    pub min_mtu: Option<u16>,
    /// Bytes, 0 for no discovery.
    pub mtu_upper_bound: Option<u16>,
    /// `cubic`, `newReno` or `bbr`.
    pub congestion: Option<String>,
    /// Pad application packets.
    pub pad_to_mtu: Option<bool>,
    /// Equal streams take turns.
    pub send_fairness: Option<bool>,
}

/// A socket to bind.
#[napi(object)]
pub struct NativeBind {
    /// `ip:port`.
    pub address: String,
    /// Whether `bind` fails without it.
    pub required: bool,
}

/// Options of an endpoint.
#[napi(object, object_to_js = false)]
pub struct NativeEndpointOptions {
    /// Empty: dual stack on a free port.
    pub bind: Vec<NativeBind>,
    /// Most preferred first.
    pub alpns: Vec<napi::bindgen_prelude::Uint8Array>,
    /// QUIC settings.
    pub transport: Option<NativeTransport>,
    /// Count.
    pub max_incoming: Option<u32>,
    /// Count.
    pub max_connections: Option<u32>,
    /// Milliseconds.
    pub handshake_timeout_ms: Option<f64>,
    /// Count.
    pub max_tls_tickets: Option<u32>,
    /// Milliseconds.
    pub close_timeout_ms: Option<f64>,
    /// `never`, `under-load` or `always`.
    pub require_retry: Option<String>,
    /// Folder.
    pub qlog: Option<String>,
    /// To the file of `SSLKEYLOGFILE`.
    pub keylog: Option<bool>,
    /// Subscription that is asked after handshakes.
    pub hook_sub: Option<u32>,
}

/// Options of one dial or accept.
#[napi(object)]
pub struct NativeConnectOptions {
    /// Milliseconds.
    pub timeout_ms: Option<f64>,
    /// Over the endpoint's.
    pub transport: Option<NativeTransport>,
    /// 0-RTT.
    pub early: Option<bool>,
}

/// A JavaScript number that counts something.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and the facade has checked"
)]
pub fn whole(n: f64) -> u64 {
    n as u64
}

fn size(n: f64) -> usize {
    usize::try_from(whole(n)).unwrap_or(usize::MAX)
}

/// Milliseconds, a fraction allowed; negative or endless ones are cut.
pub fn millis(n: f64) -> Duration {
    Duration::try_from_secs_f64((n / 1e3).max(0.0)).unwrap_or(Duration::MAX)
}

impl From<NativeTransport> for TransportOptions {
    fn from(native: NativeTransport) -> Self {
        Self {
            idle_timeout: native.idle_timeout_ms.map(millis),
            keep_alive: native.keep_alive_ms.map(millis),
            max_bidi_streams: native.max_bidi_streams,
            max_uni_streams: native.max_uni_streams,
            stream_receive_window: native.stream_receive_window.map(whole),
            receive_window: native.receive_window.map(whole),
            send_window: native.send_window.map(whole),
            datagram_receive_buffer: native.datagram_receive_buffer.map(size),
            datagram_send_buffer: native.datagram_send_buffer.map(size),
            initial_rtt: native.initial_rtt_ms.map(millis),
            initial_mtu: native.initial_mtu,
            min_mtu: native.min_mtu,
            mtu_upper_bound: native.mtu_upper_bound,
            congestion: native.congestion.map(|name| match name.as_str() {
                "newReno" => Congestion::NewReno,
                "bbr" => Congestion::Bbr,
                _ => Congestion::Cubic,
            }),
            pad_to_mtu: native.pad_to_mtu,
            send_fairness: native.send_fairness,
        }
    }
}

impl From<NativeConnectOptions> for DialOptions {
    fn from(native: NativeConnectOptions) -> Self {
        Self {
            timeout: native.timeout_ms.map(millis),
            transport: native.transport.map(Into::into),
            early: native.early.unwrap_or(false),
        }
    }
}

/// What the addon hands to `Endpoint::bind`, and the subscription of the hook.
pub fn endpoint(native: NativeEndpointOptions) -> napi::Result<(EndpointOptions, Option<u32>)> {
    let mut options = EndpointOptions::default();
    for NativeBind { address, required } in native.bind {
        let address =
            address.parse().map_err(|_| napi::Error::from_reason("bind is not ip:port"))?;
        options.bind.push(BindAddr { address, required });
    }
    options.alpns = alpns(&native.alpns);
    options.transport = native.transport.map(Into::into).unwrap_or_default();
    if let Some(n) = native.max_incoming {
        options.max_incoming = n as usize;
    }
    if let Some(n) = native.max_connections {
        options.max_connections = n as usize;
    }
    if let Some(ms) = native.handshake_timeout_ms {
        options.handshake_timeout = millis(ms);
    }
    if let Some(n) = native.max_tls_tickets {
        options.max_tls_tickets = n as usize;
    }
    if let Some(ms) = native.close_timeout_ms {
        options.close_timeout = millis(ms);
    }
    options.retry = match native.require_retry.as_deref() {
        Some("never") => RetryPolicy::Never,
        Some("always") => RetryPolicy::Always,
        _ => RetryPolicy::UnderLoad,
    };
    options.qlog = native.qlog.map(Into::into);
    options.keylog = native.keylog.unwrap_or(false);
    Ok((options, native.hook_sub))
}

/// ALPNs in order.
pub fn alpns(native: &[napi::bindgen_prelude::Uint8Array]) -> Vec<Bytes> {
    native.iter().map(|alpn| Bytes::copy_from_slice(alpn)).collect()
}
