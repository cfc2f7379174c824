//! Hostile providers, as scripts of bytes, against getters of ours: cases G1 to G10. G9, tickets, is told at the foot of
//! `proto/ticket.rs`.

mod cuts;
mod downloads;
mod drips;
mod lies;
mod observations;
pub mod peer;
mod sequences;
mod sizes;
