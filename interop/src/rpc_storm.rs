//! Many calls of the tea service, some of them dropped at a random point.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::rpc_client::AnyClient;
use crate::table::Table;

/// How many calls, how many of them at once, and how many of a hundred are dropped before their end.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Storm {
    client: u32,
    method: String,
    calls: u32,
    parallel: u32,
    cancel_percent: u32,
    seed: u64,
}

/// What one call sends and must hear.
struct Script {
    request: Value,
    updates: Vec<Value>,
    answers: Vec<Value>,
}

/// xorshift64: the same calls for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Runs them: `{answered, cancelled, failed, first}`, where `first` says how the first that failed did.
pub async fn run(table: &Table, storm: Storm) -> Result<Value, Fault> {
    let client = table.client(storm.client)?;
    let storm = Arc::new(storm);
    let next = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..storm.parallel)
        .map(|_| tokio::spawn(work(client.clone(), storm.clone(), next.clone())))
        .collect();
    let (mut answered, mut cancelled, mut failures) = (0, 0, Vec::new());
    for worker in workers {
        let tally = worker.await.map_err(|error| Fault::new("rpc", error))?;
        answered += tally.answered;
        cancelled += tally.cancelled;
        failures.extend(tally.failures);
    }
    let first = failures.first();
    Ok(
        json!({ "answered": answered, "cancelled": cancelled, "failed": failures.len(), "first": first }),
    )
}

#[derive(Default)]
struct Tally {
    answered: u32,
    cancelled: u32,
    failures: Vec<String>,
}

async fn work(client: Arc<AnyClient>, storm: Arc<Storm>, next: Arc<AtomicU32>) -> Tally {
    let mut tally = Tally::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= storm.calls {
            return tally;
        }
        // Spread over all bits, and never 0.
        let mut dice =
            Dice((storm.seed + u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.below(2);
        let script = script(&storm.method, &mut dice);
        let steps = (script.updates.len() + script.answers.len() + 1) as u64;
        let cut = (dice.below(100) < u64::from(storm.cancel_percent)).then(|| dice.below(steps));
        match play(&client, &storm.method, script, cut).await {
            Ok(true) => tally.answered += 1,
            Ok(false) => tally.cancelled += 1,
            Err(fault) => tally.failures.push(fault.to_string()),
        }
    }
}

/// Plays a script; drops the call before step `cut` and answers false.
async fn play(
    client: &AnyClient,
    method: &str,
    script: Script,
    cut: Option<u64>,
) -> Result<bool, Fault> {
    let mut step = 0;
    let mut cut_here = || {
        step += 1;
        cut == Some(step - 1)
    };
    let call = client.call(method, script.request).await?;
    for update in script.updates {
        if cut_here() {
            return Ok(false);
        }
        call.send(update).await?;
    }
    call.finish().await;
    for answer in script.answers {
        if cut_here() {
            return Ok(false);
        }
        let heard = call.next().await?;
        if heard.as_ref() != Some(&answer) {
            return Err(Fault::new("rpc", format!("{heard:?} instead of {answer}")));
        }
    }
    if cut_here() {
        return Ok(false);
    }
    match call.next().await? {
        None => Ok(true),
        Some(more) => Err(Fault::new("rpc", format!("{more} after the end"))),
    }
}

fn script(method: &str, dice: &mut Dice) -> Script {
    let length = dice.below(5);
    let (request, updates, answers): (Value, Vec<Value>, Vec<Value>) = match method {
        "Get" => (json!({ "key": "hello" }), vec![], vec![json!("world")]),
        "List" => {
            let rows = [("a", "1"), ("b", "300"), ("c", "18446744073709551615")];
            (Value::Null, vec![], rows.iter().map(|row| json!(row)).collect())
        }
        "SetMany" => {
            let rows = (0..length).map(|n| json!([format!("key {n}"), "value"])).collect();
            (Value::Null, rows, vec![json!(length.to_string())])
        }
        "Sum" => {
            let terms: Vec<i64> = (0..length).map(|_| dice.below(1_000) as i64 - 500).collect();
            let mut total = 7;
            let totals = terms.iter().map(|term| {
                total += term;
                json!(total.to_string())
            });
            let answers = totals.collect();
            let updates = terms.iter().map(|term| json!(term.to_string())).collect();
            (json!({ "start": "7" }), updates, answers)
        }
        "Push" => (Value::Null, (0..length).map(|n| json!(n)).collect(), vec![]),
        "Late" => (Value::Null, vec![json!("oolong")], vec![json!("6")]),
        _ => (json!("a line"), vec![], vec![]),
    };
    Script { request, updates, answers }
}
