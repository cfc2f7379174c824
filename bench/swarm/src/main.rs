//! `gaiwan-bench-swarm [--nodes N] [--rounds N] [--seed N]`: prints a JSON line for each pattern of broadcasts.

mod swarm;

use std::time::Duration;

use serde_json::json;
use swarm::{Round, Swarm};

/// Of each hundred nodes so many vanish.
const VANISHED: usize = 30;

fn main() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: u64| match args.iter().position(|arg| arg == name) {
        None => Ok(default),
        Some(at) => args
            .get(at + 1)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| format!("{name} takes a number")),
    };
    let (nodes, rounds, seed) =
        (number("--nodes", 100)?, number("--rounds", 30)?, number("--seed", 1)?);
    let nodes = u32::try_from(nodes).map_err(|_| "--nodes takes a number below 2^32".to_owned())?;
    if nodes < 2 || rounds == 0 {
        return Err("--nodes takes a number from 2, --rounds one from 1".to_owned());
    }
    let mut swarm = Swarm::new(nodes, seed);
    let sender = swarm.any();
    // The first message of a tree floods, and makes it.
    for _ in 0..5 {
        swarm.broadcast(sender);
    }
    let one: Vec<_> = (0..rounds).map(|_| swarm.broadcast(sender)).collect();
    print("one", nodes, seed, &one);
    let changing = |swarm: &mut Swarm| -> Vec<Round> {
        (0..rounds)
            .map(|_| {
                let from = swarm.any();
                swarm.broadcast(from)
            })
            .collect()
    };
    print("changing", nodes, seed, &changing(&mut swarm));
    swarm.vanish(nodes as usize * VANISHED / 100);
    print("after 30 % vanished", nodes, seed, &changing(&mut swarm));
    swarm.run(Duration::from_secs(120));
    print("two minutes later", nodes, seed, &changing(&mut swarm));
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "small counts")]
fn print(pattern: &str, nodes: u32, seed: u64, rounds: &[Round]) {
    let mean = |of: fn(&Round) -> f64| rounds.iter().map(of).sum::<f64>() / rounds.len() as f64;
    let line = json!({
        "pattern": pattern,
        "nodes": nodes,
        "seed": seed,
        "rounds": rounds.len(),
        "redundancy": mean(|round| round.redundancy),
        "hops": mean(|round| f64::from(round.hops)),
        "lastMs": mean(|round| round.last.as_secs_f64() * 1e3),
        "missed": mean(|round| round.missed as f64),
    });
    println!("{line}");
}
