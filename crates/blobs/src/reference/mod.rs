//! The one-time import of a directory that the `FsStore` of `iroh-blobs` 0.104 has made.
//!
//! The directory is only read. Nothing of it is believed: every byte comes in by the ways that a store has already,
//! checked against its hash. As the store this blocks, and knows no endpoint.
//!
//! | Module | Noun |
//! |---|---|
//! | `overlay` | the file of a database that may need repair, of which nothing is changed |
//! | `database` | that database, opened |
//! | `tables` | its rows: [`Directory`], with what lies beside it |
//! | `run` | [`import_directory`], what becomes of every row |
//! | `whole` | the bytes of a blob of which all should be there |
//! | `part` | what can be proven of the others |

mod database;
mod overlay;
mod part;
mod run;
mod tables;
#[cfg(test)]
mod tests;
mod whole;

pub use self::{
    run::{Failed, Imported, Step, import_directory},
    tables::Directory,
};
