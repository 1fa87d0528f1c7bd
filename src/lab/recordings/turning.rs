//! Which steps of a recording are its turning points.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::notes::of;
use super::{Result, trouble};

/// Gives the steps of a recording that are turning points their `why`.
///
/// # Errors
/// One of them is not there.
pub(super) fn annotate(recording: &str, steps: &mut [Value]) -> Result<()> {
    let described = words(steps);
    let mut from = [0, 0];
    for (step, why) in of(recording) {
        let wanted = step.trim_start_matches('?');
        let is_it = |has: &Vec<String>| wanted.split(' ').all(|w| has.iter().any(|h| h == w));
        let from = &mut from[usize::from(wanted.starts_with(char::is_uppercase))];
        match described[*from..].iter().position(is_it) {
            Some(after) => {
                steps[*from + after]["why"] = json!(why);
                *from += after + 1;
            }
            None if step.starts_with('?') => {}
            None => return trouble(format!("{recording}: there is no step \"{wanted}\"")),
        }
    }
    Ok(())
}

/// The words that describe each step: who (`main`, `worker`, `lab`, `A` …), what
/// (call or deed, `add`, `wait`, `enter` …), whose descriptor (`B`, `listener`,
/// `wake`), and the outcome (`=29`, `EAGAIN`, `writable`, the bytes).
fn words(steps: &[Value]) -> Vec<Vec<String>> {
    let mut peers: HashMap<String, String> = HashMap::new();
    let mut owners: HashMap<i64, String> = HashMap::new();
    let mut described = Vec::new();
    for step in steps {
        let text = |name: &str| step[name].as_str().unwrap_or_default().to_string();
        if step["kind"] == "client" {
            peers.insert(text("from"), text("who"));
            described.push(vec![text("who"), text("deed")]);
            continue;
        }
        let thread = text("thread");
        let by = thread.split('-').next().unwrap_or_default().to_string();
        let mut has = vec![by];
        has.extend(text("call").split(' ').map(str::to_string));
        has.extend(["kind", "phase", "op", "errno", "want", "role"].map(text));
        has.push(text("note").replace('"', ""));
        if step["role"] == "queue" {
            has.push("wait".to_string());
        }
        let ret = step["ret"].as_i64();
        has.extend(ret.map(|n| format!("={n}")));
        if let (true, Some(fd)) = (text("call") == "accept" && step["errno"].is_null(), ret) {
            let peer = text("note");
            owners.extend(peers.get(peer.trim_matches(['(', ')'])).map(|who| (fd, who.clone())));
            has.extend(owners.get(&fd).cloned());
        }
        has.extend(step["fd"].as_i64().and_then(|fd| owners.get(&fd).cloned()));
        for event in step["events"].as_array().into_iter().flatten() {
            has.extend(event["fd"].as_i64().and_then(|fd| owners.get(&fd).cloned()));
            has.extend(
                event["writable"].as_bool().unwrap_or(false).then(|| "writable".to_string()),
            );
        }
        described.push(has);
    }
    described
}
