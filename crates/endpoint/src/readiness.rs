//! When a UDP socket can be read or written.
//!
//! Every packet that leaves frees send buffer, and a socket that is registered for writing tells so each time: one
//! useless wake of the runtime's thread for each packet sent. Sockets are therefore registered for reading alone, and
//! for writing only while a send is blocked.

use std::{
    io,
    net::UdpSocket,
    task::{Context, Poll, ready},
};

#[cfg(unix)]
mod imp {
    use tokio::io::{Interest, unix::AsyncFd};

    use super::*;

    /// How long a blocked send waits when nothing can tell that there is room again.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

    /// A UDP socket in the runtime's poller.
    pub(crate) struct Socket(AsyncFd<UdpSocket>);

    impl Socket {
        pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
            register(socket, Interest::READABLE).map(Self)
        }

        pub(crate) fn get(&self) -> &UdpSocket {
            self.0.get_ref()
        }

        /// Runs `send`, which may say `WouldBlock`: then [`Socket::writable`] tells when to try again.
        pub(crate) fn try_send(
            &self,
            send: impl FnOnce(&UdpSocket) -> io::Result<()>,
        ) -> io::Result<()> {
            send(self.get())
        }

        /// Runs `recv`, which answers how many of `full` messages it got.
        pub(crate) fn poll_recv(
            &self,
            cx: &mut Context<'_>,
            full: usize,
            mut recv: impl FnMut(&UdpSocket) -> io::Result<usize>,
        ) -> Poll<io::Result<usize>> {
            loop {
                let mut guard = ready!(self.0.poll_read_ready(cx))?;
                let Ok(result) = guard.try_io(|socket| recv(socket.get_ref())) else { continue };
                // The queue was empty by then: epoll tells of later datagrams, a second look would cost a system call.
                if cfg!(target_os = "linux") && matches!(result, Ok(n) if n < full) {
                    guard.clear_ready();
                }
                return Poll::Ready(result);
            }
        }

        /// Waits until there is room in the send buffer.
        pub(crate) async fn writable(&self) -> io::Result<()> {
            let again = self.get().try_clone();
            match again.and_then(|socket| register(socket, Interest::WRITABLE)) {
                Ok(again) => again.writable().await.map(drop),
                // No descriptor to spare (EMFILE): an error would end the connection, and "ready" would spin.
                Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    Ok(())
                }
            }
        }
    }

    #[allow(
        unsafe_code,
        reason = "a `UdpSocket` keeps one open descriptor for as long as it lives"
    )]
    fn register(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
        // SAFETY: the descriptor of a `UdpSocket` is open and the same until it is dropped.
        unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(Into::into)
    }
}

#[cfg(not(unix))]
mod imp {
    use tokio::io::Interest;

    use super::*;

    /// A UDP socket in the runtime's poller. The handle of the standard library shares the socket with tokio's.
    pub(crate) struct Socket {
        io: tokio::net::UdpSocket,
        socket: UdpSocket,
    }

    impl Socket {
        pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
            let io = tokio::net::UdpSocket::from_std(socket.try_clone()?)?;
            Ok(Self { io, socket })
        }

        pub(crate) fn get(&self) -> &UdpSocket {
            &self.socket
        }

        /// Runs `send`, which may say `WouldBlock`: then [`Socket::writable`] tells when to try again.
        pub(crate) fn try_send(
            &self,
            send: impl FnOnce(&UdpSocket) -> io::Result<()>,
        ) -> io::Result<()> {
            self.io.try_io(Interest::WRITABLE, || send(&self.socket))
        }

        /// Runs `recv`, which answers how many of `full` messages it got.
        pub(crate) fn poll_recv(
            &self,
            cx: &mut Context<'_>,
            _full: usize,
            mut recv: impl FnMut(&UdpSocket) -> io::Result<usize>,
        ) -> Poll<io::Result<usize>> {
            loop {
                ready!(self.io.poll_recv_ready(cx))?;
                match self.io.try_io(Interest::READABLE, || recv(&self.socket)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            }
        }

        /// Waits until there is room in the send buffer.
        pub(crate) async fn writable(&self) -> io::Result<()> {
            self.io.writable().await
        }
    }
}

pub(crate) use imp::Socket;
