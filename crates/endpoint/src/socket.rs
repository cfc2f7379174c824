//! The UDP side under quinn: our own `AsyncUdpSocket`, in this one file.
//!
//! quinn sees a single IPv6 socket. Underneath lie one or more real ones; IPv4 peers appear as `::ffff:a.b.c.d`. This
//! is where relayed paths and a second quinn endpoint on the same port will stand later: both need only another
//! source of datagrams in `poll_recv` and another destination in `try_send`.

use std::{
    fmt,
    future::Future,
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use quinn::{AsyncUdpSocket, UdpPoller};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    config::BindAddr, driver, local::Local, metrics::SocketCounters,
    readiness::Socket as ReadySocket, resets::Resets,
};

/// What we ask the system for; it may give less. Without it 1-2 % of packets are lost on loopback.
const BUFFER_BYTES: usize = 2 * 1024 * 1024;

/// Errors in a row after which a socket counts as broken.
const RECV_ERRORS: usize = 64;

/// A bound socket, for people who look at their system.
#[derive(Debug, Clone)]
pub struct SocketInfo {
    /// Local address with its real port.
    pub address: SocketAddr,
    /// Bytes of the kernel's receive buffer.
    pub receive_buffer: usize,
    /// Bytes of the kernel's send buffer.
    pub send_buffer: usize,
    /// Datagrams that one call can send (GSO).
    pub max_segments: usize,
}

struct BoundSocket {
    io: ReadySocket,
    state: UdpSocketState,
    address: SocketAddr,
    dual_stack: bool,
    /// Where it stands in the list of wanted ones; the same after a rebind, even if others are missing then.
    place: u16,
}

/// All sockets of one endpoint.
pub(crate) struct UdpSockets {
    sockets: Vec<BoundSocket>,
    /// Which socket is asked first by the next `poll_recv`, so that none starves.
    turn: AtomicUsize,
    /// One more than the socket that has no room to send, 0 while all have.
    blocked: AtomicUsize,
    resets: Resets,
    counters: Arc<SocketCounters>,
}

impl UdpSockets {
    /// Binds all of `wanted`; must be called inside a tokio runtime. An address that is not required may fail, as
    /// long as one is left.
    pub(crate) fn bind(wanted: &[BindAddr], counters: Arc<SocketCounters>) -> io::Result<Self> {
        let mut sockets = Vec::new();
        if wanted.is_empty() {
            sockets.push(bind_dual_stack()?);
        }
        if wanted.len() > usize::from(u16::MAX) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many addresses to bind"));
        }
        // `[::]` takes IPv4 too, unless that has a socket of its own: both would claim the same port.
        let ipv4 = wanted.iter().any(|bind| bind.address.ip() == Ipv4Addr::UNSPECIFIED);
        for (place, BindAddr { address, required }) in (0..).zip(wanted) {
            match bind_one(*address, !ipv4) {
                Ok(socket) => sockets.push(BoundSocket { place, ..socket }),
                Err(error) if *required => {
                    return Err(io::Error::new(error.kind(), format!("{address}: {error}")));
                }
                Err(error) => {
                    tracing::warn!(%address, %error, "an optional address could not be bound")
                }
            }
        }
        if sockets.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "no address could be bound",
            ));
        }
        Ok(Self::over(sockets, counters))
    }

    fn over(sockets: Vec<BoundSocket>, counters: Arc<SocketCounters>) -> Self {
        Self {
            sockets,
            turn: AtomicUsize::new(0),
            blocked: AtomicUsize::new(0),
            resets: Resets::default(),
            counters,
        }
    }

    /// No socket at all: nothing arrives, all that is sent is lost.
    pub(crate) fn none(counters: Arc<SocketCounters>) -> Self {
        Self::over(Vec::new(), counters)
    }

    pub(crate) fn info(&self) -> Vec<SocketInfo> {
        let size = |socket: &BoundSocket, receive: bool| {
            let reference = socket2::SockRef::from(socket.io.get());
            if receive { reference.recv_buffer_size() } else { reference.send_buffer_size() }
                .unwrap_or(0)
        };
        self.sockets
            .iter()
            .map(|socket| SocketInfo {
                address: socket.address,
                receive_buffer: size(socket, true),
                send_buffer: size(socket, false),
                max_segments: socket.state.max_gso_segments(),
            })
            .collect()
    }

    /// Whether some socket can reach `to` at all.
    pub(crate) fn reaches(&self, to: SocketAddr) -> bool {
        self.route(to, None).is_some()
    }

    /// The real local address behind what quinn was told.
    pub(crate) fn local_ip(&self, told: IpAddr) -> IpAddr {
        let Some(local) = Local::from_ip(told) else { return told.to_canonical() };
        let socket = self.sockets.iter().find(|socket| socket.place == local.place);
        local.ip.map(IpAddr::V4).or(socket.map(|socket| socket.address.ip())).unwrap_or(told)
    }

    /// What quinn is told of the local address of a datagram.
    fn told(&self, socket: &BoundSocket, real: Option<IpAddr>) -> Option<IpAddr> {
        if self.sockets.len() == 1 {
            return real;
        }
        let place = socket.place;
        match real.map(|ip| ip.to_canonical()) {
            _ if !socket.address.ip().is_unspecified() => Some(Local { place, ip: None }.to_ip()),
            Some(IpAddr::V4(ip)) => Some(Local { place, ip: Some(ip) }.to_ip()),
            _ => real,
        }
    }

    /// The socket for a datagram: same family, then the one that the peer used, then loopback to loopback.
    fn route(&self, to: SocketAddr, from: Option<IpAddr>) -> Option<usize> {
        let to_ip = to.ip().to_canonical();
        let local = from.and_then(Local::from_ip);
        let score = |socket: &BoundSocket| {
            let ip = socket.address.ip();
            if !(ip.is_ipv4() == to_ip.is_ipv4() || socket.dual_stack) {
                return None;
            }
            let used = match local {
                Some(local) => local.place == socket.place,
                None => from.is_some() && ip.is_unspecified(),
            };
            let near = ip.is_loopback() == to_ip.is_loopback() || ip.is_unspecified();
            Some(
                4 * u8::from(used) + 2 * u8::from(near) + u8::from(ip.is_ipv4() == to_ip.is_ipv4()),
            )
        };
        if let [only] = self.sockets.as_slice() {
            return score(only).map(|_| 0);
        }
        let scored =
            self.sockets.iter().enumerate().filter_map(|(n, socket)| Some((score(socket)?, n)));
        scored.max_by_key(|&(score, n)| (score, usize::MAX - n)).map(|(_, n)| n)
    }
}

fn bind_one(address: SocketAddr, with_ipv4: bool) -> io::Result<BoundSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Shared with IPv4 only where the system has IPv4 at all; either answer is fine.
    let dual_stack = with_ipv4 && address.ip() == Ipv6Addr::UNSPECIFIED;
    if address.is_ipv6() {
        socket.set_only_v6(!dual_stack)?;
    }
    finish_bind(socket, address, dual_stack)
}

fn bind_dual_stack() -> io::Result<BoundSocket> {
    bind_one(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0), true)
        .or_else(|_| bind_one(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0), true))
}

fn finish_bind(socket: Socket, address: SocketAddr, dual_stack: bool) -> io::Result<BoundSocket> {
    socket.set_nonblocking(true)?;
    // Refused or capped sizes are no failure: the endpoint works with what there is.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.bind(&address.into())?;
    let socket: std::net::UdpSocket = socket.into();
    let state = UdpSocketState::new((&socket).into())?;
    let address = socket.local_addr()?;
    Ok(BoundSocket { io: ReadySocket::new(socket)?, state, address, dual_stack, place: 0 })
}

/// `::ffff:a.b.c.d` for IPv4, unchanged for IPv6.
pub(crate) fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        v6 => v6,
    }
}

/// The inverse of [`mapped`]: what people and tickets see.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

impl AsyncUdpSocket for UdpSockets {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable { sockets: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if driver::is_endpoint() && !self.resets.may_leave(transmit.contents, Instant::now()) {
            return Ok(());
        }
        // No route is packet loss, as on any network: an error here could end the endpoint's driver.
        let Some(n) = self.route(transmit.destination, transmit.src_ip) else { return Ok(()) };
        let socket = &self.sockets[n];
        let ipv4 = transmit.destination.ip().to_canonical().is_ipv4();
        let destination = if socket.address.is_ipv4() {
            canonical(transmit.destination)
        } else {
            mapped(transmit.destination)
        };
        // A socket with an address of its own sends from there; another one would be an error of the system.
        let src_ip = transmit.src_ip.filter(|_| socket.address.ip().is_unspecified());
        let src_ip = src_ip.and_then(|ip| match Local::from_ip(ip) {
            Some(local) => local.ip.map(IpAddr::V4),
            None => Some(ip),
        });
        let transmit = Transmit { destination, src_ip, ..transmit.clone() };
        // `send` counts ENOBUFS and unreachable as loss and turns segmentation offload off where a device fails it.
        let sent = socket.io.try_send(|io| socket.state.send(io.into(), &transmit));
        match sent {
            Ok(()) => self.counters.sent(ipv4, transmit.contents.len()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked.store(n + 1, Relaxed);
                return Err(error);
            }
            Err(error) => tracing::debug!(%error, "a datagram could not be sent"),
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = self.sockets.len();
        let first = if count == 1 { 0 } else { self.turn.fetch_add(1, Relaxed) };
        let full = bufs.len();
        for step in 0..count {
            let socket = &self.sockets[(first + step) % count];
            // An error is what some earlier datagram met (ICMP) and is gone once it is read; only a socket that gives
            // nothing else is broken.
            for left in (0..RECV_ERRORS).rev() {
                let received =
                    socket.io.poll_recv(cx, full, |io| socket.state.recv(io.into(), bufs, meta));
                match received {
                    Poll::Pending => break,
                    Poll::Ready(Ok(n)) => {
                        for meta in &mut meta[..n] {
                            let ipv4 = meta.addr.ip().to_canonical().is_ipv4();
                            self.counters.received(ipv4, meta.len, meta.stride);
                            meta.addr = mapped(meta.addr);
                            meta.dst_ip = self.told(socket, meta.dst_ip);
                        }
                        return Poll::Ready(Ok(n));
                    }
                    Poll::Ready(Err(error)) if left == 0 => return Poll::Ready(Err(error)),
                    Poll::Ready(Err(error)) => {
                        tracing::debug!(%error, "a socket reported an error")
                    }
                }
            }
        }
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        let port = self.sockets.first().map_or(0, |socket| socket.address.port());
        Ok(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))
    }

    fn may_fragment(&self) -> bool {
        self.sockets.iter().any(|socket| socket.state.may_fragment())
    }

    fn max_transmit_segments(&self) -> usize {
        self.sockets.iter().map(|socket| socket.state.max_gso_segments()).min().unwrap_or(1)
    }

    fn max_receive_segments(&self) -> usize {
        self.sockets.iter().map(|socket| socket.state.gro_segments()).max().unwrap_or(1)
    }
}

impl fmt::Debug for UdpSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sockets.iter().map(|socket| socket.address)).finish()
    }
}

type WritableFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// Waits until the socket that has no room can send again. quinn asks before every packet, so while nothing is blocked
/// it answers at once.
struct Writable {
    sockets: Arc<UdpSockets>,
    waiting: Option<WritableFuture>,
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let sockets = &this.sockets;
        if this.waiting.is_none() {
            let blocked = sockets.blocked.load(Relaxed);
            let Some(n) = blocked.checked_sub(1) else { return Poll::Ready(Ok(())) };
            let sockets = sockets.clone();
            this.waiting = Some(Box::pin(async move {
                let result = sockets.sockets[n].io.writable().await;
                // Only this one: meanwhile another socket may have taken its place.
                let _ = sockets.blocked.compare_exchange(blocked, 0, Relaxed, Relaxed);
                result
            }));
        }
        let Some(waiting) = &mut this.waiting else { return Poll::Ready(Ok(())) };
        let result = ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        Poll::Ready(result)
    }
}

impl fmt::Debug for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writable").field("waiting", &self.waiting.is_some()).finish()
    }
}
