//! Gossip over real sockets: honest swarms, and peers that do what no peer should.

mod faults;
mod hostile;
mod leave;
mod peers;
mod raw;
mod scale;
mod swarm;
