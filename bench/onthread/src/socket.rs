//! The UDP socket: batches with GRO in, GSO out, ECN both ways, as quinn does it.

use std::{
    io::{self, ErrorKind, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::{AsRawFd, RawFd},
    time::Instant,
};

use bytes::BytesMut;
use quinn::{EcnCodepoint, Transmit};
use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

/// The largest message that GRO makes.
const MESSAGE: usize = 64 * 1024;
/// Messages of one batch. With many, a receiver has a whole flow control window in hand before it says so, and each side
/// waits while the other works.
const BATCH: usize = 4;
/// What gaiwan asks for both socket buffers.
const SOCKET_BUFFER: usize = 2 << 20;

/// A datagram and where it came from.
pub struct Received {
    /// When the batch was read.
    pub now: Instant,
    /// The sender.
    pub from: SocketAddr,
    /// Our address that it was sent to.
    pub to: Option<std::net::IpAddr>,
    /// Congestion marks.
    pub ecn: Option<EcnCodepoint>,
    /// The payload.
    pub data: BytesMut,
}

/// A bound socket that never waits.
pub struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    buffer: Box<[u8]>,
}

impl Socket {
    /// Bound to a free port of loopback.
    pub fn bind() -> io::Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER)?;
        state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER)?;
        Ok(Self { socket, state, buffer: vec![0; MESSAGE * BATCH].into() })
    }

    /// Where it is bound.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Valid as long as this is.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether packets may be cut on the way, which forbids the search for larger ones.
    pub fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// Datagrams that one send may hold.
    pub fn max_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Takes one batch and gives each datagram of it to `each`; whether there was any.
    pub fn receive(&mut self, mut each: impl FnMut(Received)) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); BATCH];
        let mut parts = self.buffer.chunks_exact_mut(MESSAGE).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| parts.next().expect("as many parts as slices"));
        let count = match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut metas) {
            Ok(count) => count,
            // A closed port of a peer that left is no reason to stop.
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionReset) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let now = Instant::now();
        for (meta, slice) in metas.iter().zip(&slices).take(count) {
            let mut rest = BytesMut::from(&slice[..meta.len]);
            while !rest.is_empty() {
                let data = rest.split_to(meta.stride.min(rest.len()));
                let ecn = meta.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8));
                each(Received { now, from: meta.addr, to: meta.dst_ip, ecn, data });
            }
        }
        Ok(count > 0)
    }

    /// Sends; `false` when the system has no room. Other errors are losses, which QUIC repairs.
    pub fn send(&self, transmit: &Transmit, contents: &[u8]) -> bool {
        let transmit = quinn_udp::Transmit {
            destination: transmit.destination,
            ecn: transmit.ecn.and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
            contents: &contents[..transmit.size],
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        let sent = self.state.send(UdpSockRef::from(&self.socket), &transmit);
        !sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
