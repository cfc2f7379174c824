//! Hostile getters, as raw streams of quinn, against a provider of ours: cases P1 to P12.

mod damage;
mod flood;
mod hooks;
mod observers;
mod pushes;
mod quiet;
mod requests;
mod stalls;
mod vanish;
