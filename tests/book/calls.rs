//! Every system call that a trace shows has a page, and every page a call.

use std::collections::BTreeSet;

/// The calls in the recorded stories (`tests/snapshots`) and runs.
pub fn in_stories(stories: &[String]) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for line in stories.iter().flat_map(|story| story.lines()) {
        let call =
            ["main: ", "worker: "].iter().find_map(|by| line.strip_prefix(by)).unwrap_or(line);
        let call = call.trim_start().split_once("] ").map_or(call, |(_, call)| call);
        let name = call.split('(').next().unwrap_or_default();
        let is_call =
            call.contains(") = ") && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if is_call && !name.is_empty() {
            calls.insert(name.to_string());
        }
    }
    calls
}

/// `pages` are the names of the pages; `later` the calls whose page is to come.
pub fn check(calls: &BTreeSet<String>, pages: &[String], later: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for call in calls {
        match (pages.contains(call), later.contains(&call.as_str())) {
            (false, false) => wrong.push(format!("{call} is made and has no page calls/{call}.md")),
            (true, true) => wrong.push(format!("{call} has its page: take it from the list")),
            _ => {}
        }
    }
    let unmade = pages.iter().map(String::as_str).chain(later.iter().copied());
    let unmade = unmade.filter(|name| !calls.contains(*name));
    wrong.extend(unmade.map(|name| format!("calls/{name}.md: no trace shows such a call")));
    wrong
}

#[test]
fn a_call_without_a_page_and_a_page_without_a_call_are_found() {
    let story = "# main\nread(A, 16384) = 29  x.rs\n       [main] epoll_wait(4, 256, -1) = 1 [client 5 readable]\n-- queued A  z\n"
        .to_string();
    let calls = in_stories(&[story]);
    assert_eq!(calls, BTreeSet::from(["read".to_string(), "epoll_wait".to_string()]));
    let page = |name: &str| name.to_string();
    assert_eq!(check(&calls, &[page("read")], &["epoll_wait"]), Vec::<String>::new());
    assert_eq!(check(&calls, &[page("read")], &[]).len(), 1);
    assert_eq!(check(&calls, &[page("read"), page("epoll_wait")], &["read"]).len(), 1);
    assert_eq!(check(&calls, &[page("read"), page("epoll_wait"), page("poll")], &[]).len(), 1);
}
