//! Faces `ts/endpoint/connection.ts`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::{BufMut, Bytes, BytesMut};
use gaiwan_endpoint::{Connection, Failure, Side};
use napi::{
    Env,
    bindgen_prelude::{BigInt, Uint8ArraySlice},
};
use napi_derive::napi;
use quinn::{ConnectionError, FrameStats, UdpStats, VarInt};

use crate::{
    bridge::NativeBridge,
    core::Core,
    error::to_js,
    queue::{Aux, Event},
    recv::RecvHalf,
    request,
    send::SendHalf,
    table::Object,
};

/// A connection as this environment holds it. Its handle, its streams and its loops share it; the last one that goes
/// closes the connection.
pub struct Held {
    /// The connection.
    pub connection: Connection,
    /// Datagrams that nobody read in time.
    pub datagrams_dropped: AtomicU64,
}

impl Held {
    /// For a new handle.
    pub fn new(connection: Connection) -> Arc<Self> {
        Arc::new(Self { connection, datagrams_dropped: AtomicU64::new(0) })
    }

    /// quinn's own.
    pub fn quinn(&self) -> &quinn::Connection {
        self.connection.quinn()
    }
}

/// An OK with a new connection and its facts.
pub fn connected(id: u32, connection: Connection) -> Event {
    let body = facts(&connection);
    Event::ok(id, Aux::Object(Object::Connection(Held::new(connection))), body)
}

/// Remote id, stable id, side, flags, ALPN; see `docs/design/boundary.md`.
pub fn facts(connection: &Connection) -> Bytes {
    let alpn = connection.alpn();
    let mut facts = BytesMut::with_capacity(44 + alpn.len());
    match connection.remote_id() {
        Some(id) => facts.put_slice(id.as_bytes()),
        None => facts.put_bytes(0, 32),
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "a counter that starts at 1 does not reach 2^53"
    )]
    facts.put_f64_le(connection.stable_id() as f64);
    facts.put_u8(u8::from(connection.side() == Side::Server));
    facts.put_u8(u8::from(connection.early_state().is_some()));
    facts.put_u16(0);
    facts.put_slice(&alpn);
    facts.freeze()
}

/// How a loop over a connection ends: well when either application closed it, else with a failure.
pub fn over(error: &ConnectionError) -> Result<(), Failure> {
    match error {
        ConnectionError::LocallyClosed | ConnectionError::ApplicationClosed(_) => Ok(()),
        error => Err(Failure::connection(error)),
    }
}

fn bi(
    core: &Arc<Core>,
    held: &Arc<Held>,
    (send, recv): (quinn::SendStream, quinn::RecvStream),
) -> (Object, Object) {
    let send = SendHalf::new(core, held, send);
    (Object::Send(send), Object::Recv(RecvHalf::new(core, held, recv)))
}

/// The end of a connection.
#[napi(object, object_from_js = false)]
pub struct NativeCloseInfo<'env> {
    /// Who or what ended it.
    pub by: String,
    /// Application or transport code.
    pub code: Option<BigInt>,
    /// Raw bytes of the peer.
    pub reason: Uint8ArraySlice<'env>,
}

/// Datagrams, bytes and system calls.
#[napi(object)]
pub struct NativeUdpStats {
    /// Count.
    pub datagrams: f64,
    /// Sum.
    pub bytes: f64,
    /// System calls.
    pub ios: f64,
}

/// Figures of a connection.
#[napi(object)]
pub struct NativeStats {
    /// Sent.
    pub udp_tx: NativeUdpStats,
    /// Received.
    pub udp_rx: NativeUdpStats,
    /// Count by frame name.
    pub frame_tx: std::collections::HashMap<String, f64>,
    /// Count by frame name.
    pub frame_rx: std::collections::HashMap<String, f64>,
    /// Received and not read in time.
    pub datagrams_dropped: f64,
    /// Milliseconds.
    pub rtt_ms: f64,
    /// Milliseconds.
    pub min_rtt_ms: f64,
    /// Bytes.
    pub cwnd: f64,
    /// Count.
    pub congestion_events: f64,
    /// Count.
    pub lost_packets: f64,
    /// Sum.
    pub lost_bytes: f64,
    /// Count.
    pub sent_packets: f64,
    /// Bytes.
    pub mtu: f64,
    /// Count.
    pub black_holes: f64,
}

#[allow(clippy::cast_precision_loss, reason = "counters stay exact up to 2^53, as documented")]
fn count(n: u64) -> f64 {
    n as f64
}

fn udp(stats: &UdpStats) -> NativeUdpStats {
    NativeUdpStats {
        datagrams: count(stats.datagrams),
        bytes: count(stats.bytes),
        ios: count(stats.ios),
    }
}

fn frames(stats: &FrameStats) -> std::collections::HashMap<String, f64> {
    [
        ("acks", stats.acks),
        ("ackFrequency", stats.ack_frequency),
        ("crypto", stats.crypto),
        ("connectionClose", stats.connection_close),
        ("dataBlocked", stats.data_blocked),
        ("datagram", stats.datagram),
        ("handshakeDone", stats.handshake_done.into()),
        ("immediateAck", stats.immediate_ack),
        ("maxData", stats.max_data),
        ("maxStreamData", stats.max_stream_data),
        ("maxStreamsBidi", stats.max_streams_bidi),
        ("maxStreamsUni", stats.max_streams_uni),
        ("newConnectionId", stats.new_connection_id),
        ("newToken", stats.new_token),
        ("pathChallenge", stats.path_challenge),
        ("pathResponse", stats.path_response),
        ("ping", stats.ping),
        ("resetStream", stats.reset_stream),
        ("retireConnectionId", stats.retire_connection_id),
        ("stopSending", stats.stop_sending),
        ("stream", stats.stream),
        ("streamDataBlocked", stats.stream_data_blocked),
        ("streamsBlockedBidi", stats.streams_blocked_bidi),
        ("streamsBlockedUni", stats.streams_blocked_uni),
    ]
    .into_iter()
    .map(|(name, n)| (name.to_owned(), count(n)))
    .collect()
}

#[napi]
impl NativeBridge {
    /// The peer's address on the path in use.
    #[napi(catch_unwind)]
    pub fn connection_address(&self, connection: u32) -> napi::Result<String> {
        Ok(self.connection_of(connection)?.connection.remote_address().to_string())
    }

    /// How it ended, null while open.
    #[napi(catch_unwind)]
    pub fn close_info<'env>(
        &self,
        env: &'env Env,
        connection: u32,
    ) -> napi::Result<Option<NativeCloseInfo<'env>>> {
        let Some(info) = self.connection_of(connection)?.connection.close_info() else {
            return Ok(None);
        };
        Ok(Some(NativeCloseInfo {
            by: info.by.as_str().into(),
            code: info.code.map(BigInt::from),
            reason: Uint8ArraySlice::copy_from(env, &info.reason)?,
        }))
    }

    /// OK once it has ended.
    #[napi]
    pub fn wait_closed(&self, call: u32, connection: u32) -> napi::Result<()> {
        // Only quinn's clone: waiting for the end must not put it off.
        let quinn = self.connection_of(connection)?.quinn().clone();
        self.core()?.call(call, async move {
            quinn.closed().await;
            Ok(Event::done(call))
        });
        Ok(())
    }

    /// OK with the facts once the handshake is done.
    #[napi]
    pub fn handshake(&self, call: u32, connection: u32) -> napi::Result<()> {
        let held = self.connection_of(connection)?;
        self.core()?.call(call, async move {
            if let Some(state) = held.connection.early_state() {
                state.handshake().await?;
            }
            Ok(Event::ok(call, Aux::Value(0), facts(&held.connection)))
        });
        Ok(())
    }

    /// OK with 1 if the peer took the early data.
    #[napi]
    pub fn early_accepted(&self, call: u32, connection: u32) -> napi::Result<()> {
        let held = self.connection_of(connection)?;
        self.core()?.call(call, async move {
            let accepted = match held.connection.early_state() {
                Some(state) => state.handshake().await?,
                None => false,
            };
            Ok(Event::ok(call, Aux::Value(accepted.into()), Bytes::new()))
        });
        Ok(())
    }

    /// The handle of the sending half, the receiving half is one more; 0 if it must wait for credit.
    #[napi(catch_unwind)]
    pub fn open_bi(&self, connection: u32, call: u32, priority: i32) -> napi::Result<u32> {
        let (core, held) = (self.core()?, self.connection_of(connection)?);
        let open = move |core: &Arc<Core>,
                         held: &Arc<Held>,
                         streams: (quinn::SendStream, quinn::RecvStream)| {
            if priority != 0 {
                let _ = streams.0.set_priority(priority);
            }
            bi(core, held, streams)
        };
        match now(held.quinn().open_bi()) {
            Some(Ok(streams)) => {
                let (send, recv) = open(core, &held, streams);
                return Ok(self.table_mut().insert_pair(send, recv));
            }
            Some(Err(error)) => return Err(to_js(Failure::connection(&error))),
            None => {}
        }
        let shared = core.clone();
        core.call(call, async move {
            let streams =
                held.quinn().open_bi().await.map_err(|error| Failure::connection(&error))?;
            let (send, recv) = open(&shared, &held, streams);
            Ok(Event::ok(call, Aux::Pair(send, recv), Bytes::new()))
        });
        Ok(0)
    }

    /// The handle of the stream; 0 if it must wait for credit.
    #[napi(catch_unwind)]
    pub fn open_uni(&self, connection: u32, call: u32, priority: i32) -> napi::Result<u32> {
        let (core, held) = (self.core()?, self.connection_of(connection)?);
        let open = move |core: &Arc<Core>, held: &Arc<Held>, stream: quinn::SendStream| {
            if priority != 0 {
                let _ = stream.set_priority(priority);
            }
            Object::Send(SendHalf::new(core, held, stream))
        };
        match now(held.quinn().open_uni()) {
            Some(Ok(stream)) => return Ok(self.table_mut().insert(open(core, &held, stream))),
            Some(Err(error)) => return Err(to_js(Failure::connection(&error))),
            None => {}
        }
        let shared = core.clone();
        core.call(call, async move {
            let stream =
                held.quinn().open_uni().await.map_err(|error| Failure::connection(&error))?;
            Ok(Event::ok(call, Aux::Object(open(&shared, &held, stream)), Bytes::new()))
        });
        Ok(0)
    }

    /// Gives every stream of the peer. How many may wait undrained is bounded by the limit that the peer was granted.
    #[napi]
    pub fn accept_streams(&self, connection: u32, sub: u32, is_bi: bool) -> napi::Result<()> {
        let (core, held) = (self.core()?, self.connection_of(connection)?);
        let shared = core.clone();
        core.subscribe(sub, async move {
            loop {
                let quinn = held.quinn();
                let aux = if is_bi {
                    quinn.accept_bi().await.map(|streams| {
                        let (send, recv) = bi(&shared, &held, streams);
                        Aux::Pair(send, recv)
                    })
                } else {
                    quinn.accept_uni().await.map(|stream| {
                        Aux::Object(Object::Recv(RecvHalf::new(&shared, &held, stream)))
                    })
                };
                match aux {
                    Ok(aux) => shared.push(Event::item(sub, aux, Bytes::new())),
                    Err(error) => return over(&error),
                }
            }
        });
        Ok(())
    }

    /// Gives every request of the peer, at most `concurrency` unanswered ones.
    #[napi]
    pub fn serve(
        &self,
        connection: u32,
        sub: u32,
        max_request_bytes: u32,
        concurrency: u32,
    ) -> napi::Result<()> {
        let (core, held) = (self.core()?, self.connection_of(connection)?);
        let (max, concurrency) = (max_request_bytes as usize, concurrency.max(1) as usize);
        core.subscribe(sub, request::serve(core.clone(), held, sub, max, concurrency));
        Ok(())
    }

    /// Milliseconds.
    #[napi(catch_unwind)]
    pub fn rtt_ms(&self, connection: u32) -> napi::Result<f64> {
        Ok(self.connection_of(connection)?.quinn().rtt().as_secs_f64() * 1e3)
    }

    /// All figures.
    #[napi(catch_unwind)]
    pub fn stats(&self, connection: u32) -> napi::Result<NativeStats> {
        let held = self.connection_of(connection)?;
        let stats = held.quinn().stats();
        Ok(NativeStats {
            udp_tx: udp(&stats.udp_tx),
            udp_rx: udp(&stats.udp_rx),
            frame_tx: frames(&stats.frame_tx),
            frame_rx: frames(&stats.frame_rx),
            datagrams_dropped: count(held.datagrams_dropped.load(Relaxed)),
            rtt_ms: stats.path.rtt.as_secs_f64() * 1e3,
            min_rtt_ms: held.quinn().min_rtt().as_secs_f64() * 1e3,
            cwnd: count(stats.path.cwnd),
            congestion_events: count(stats.path.congestion_events),
            lost_packets: count(stats.path.lost_packets),
            lost_bytes: count(stats.path.lost_bytes),
            sent_packets: count(stats.path.sent_packets),
            mtu: stats.path.current_mtu.into(),
            black_holes: count(stats.path.black_holes_detected),
        })
    }

    /// RFC 5705 exporter.
    #[napi(catch_unwind)]
    pub fn export_keying_material<'env>(
        &self,
        env: &'env Env,
        connection: u32,
        label: &[u8],
        context: &[u8],
        length: u32,
    ) -> napi::Result<Uint8ArraySlice<'env>> {
        let mut output = vec![0; length as usize];
        let held = self.connection_of(connection)?;
        held.connection.export_keying_material(&mut output, label, context).map_err(to_js)?;
        Uint8ArraySlice::copy_from(env, output)
    }

    /// What the peer is granted from now on.
    #[napi(catch_unwind)]
    pub fn set_limits(
        &self,
        connection: u32,
        max_bidi: Option<u32>,
        max_uni: Option<u32>,
        receive_window: Option<f64>,
    ) -> napi::Result<()> {
        let held = self.connection_of(connection)?;
        if let Some(n) = max_bidi {
            held.quinn().set_max_concurrent_bi_streams(n.into());
        }
        if let Some(n) = max_uni {
            held.quinn().set_max_concurrent_uni_streams(n.into());
        }
        if let Some(n) = receive_window {
            held.quinn().set_receive_window(
                VarInt::from_u64(crate::options::whole(n)).unwrap_or(VarInt::MAX),
            );
        }
        Ok(())
    }

    /// Immediate; the first close counts.
    #[napi(catch_unwind)]
    pub fn close_connection(
        &self,
        connection: u32,
        code: BigInt,
        reason: &[u8],
    ) -> napi::Result<()> {
        let held = self.connection_of(connection)?;
        self.core()?.enter(|| {
            // The last packet leaves from this thread too, if the runtime is not at the connection right now.
            let _inline = held.connection.inline();
            held.connection.close(code.get_u64().1, reason);
        });
        Ok(())
    }
}

/// The result of a future that is ready, without a runtime around it.
fn now<F: Future>(future: F) -> Option<F::Output> {
    futures_util::FutureExt::now_or_never(future)
}
