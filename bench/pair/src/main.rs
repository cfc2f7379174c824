//! The yardstick of `npm run bench`: plain quinn on both sides, with quinn's own defaults.
//!
//! `server` and `client` are two processes that a parent drives by lines on stdin and stdout; the lines are
//! those of `bench/harness.mjs`, so either side can be changed for its JavaScript counterpart.

mod args;
mod dialer;
mod gate;
mod hash;
mod identity;
mod server;
mod usage;
mod workload;

use std::{error::Error, future::Future, process::ExitCode};

use args::{Args, Role};

/// Everything that ends a run early; it is printed and becomes exit status 1.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    if let [command, path] = &std::env::args().skip(1).collect::<Vec<_>>()[..]
        && command == "hash"
    {
        return hash::run(path);
    }
    let args = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(message) => {
            eprintln!("gaiwan-bench-pair: {message}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    let outcome = match args.role {
        Role::Server => block_on(&args.clone(), server::run(args)),
        Role::Client => block_on(&args.clone(), dialer::run(args)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("gaiwan-bench-pair: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `task` on a worker of the runtime: the main thread would cost each of its steps one more wake.
fn block_on(
    args: &Args,
    task: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<(), Failure> {
    let mut builder = if args.current_thread {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(args.workers);
        builder
    };
    let runtime = builder.enable_all().build()?;
    runtime.block_on(async { tokio::spawn(task).await? })
}
