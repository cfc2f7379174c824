//! The store: one suite for memory and directories, then what only a directory can meet: other owners, damage, a full
//! disk, and the end of its process.
//!
//! | Module | What |
//! |---|---|
//! | `folder`, `places`, `filling`, `child` | what the tests stand on |
//! | `import`, `read`, `list`, `tags`, `gc`, `quota`, `export`, `parallel` | the suite |
//! | `verify`, `reference` | files that are not what they were |
//! | `open`, `disk` | owners and disks |
//! | `crash`, `worker`, `promises` | a process that is killed, what it did, and what it had said |

mod child;
#[cfg(unix)]
mod crash;
#[cfg(unix)]
mod disk;
mod export;
#[cfg(unix)]
mod filling;
mod folder;
mod gc;
mod import;
mod list;
mod open;
mod parallel;
mod places;
#[cfg(unix)]
mod promises;
mod quota;
mod read;
#[cfg(unix)]
mod reference;
mod tags;
mod verify;
#[cfg(unix)]
mod worker;
