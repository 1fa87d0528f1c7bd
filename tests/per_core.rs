//! The program that chapter 7 is compared with answers as chapter 7 does.

mod support;

use std::collections::HashSet;
use std::process::Command;

use support::Server;
use support::client::Client;

fn start(args: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_per_core"));
    Server::spawn_heard(command.args(["--port", "0", "--workers", "4"]).args(args)).unwrap()
}

#[test]
fn every_loop_answers() {
    let server = start(&[]);
    let address = server.address();
    let mut clients: Vec<Client> = (0..32).map(|_| Client::connect(address)).collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.send(
                "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /big?bytes=9 HTTP/1.1\r\nHost: x\r\n\r\n",
            );
        }
        for client in &mut clients {
            assert_eq!(client.answer().body, b"Hello World\n");
            assert_eq!(client.answer().body.len(), 9);
        }
    }
    // More than the buffers hold, to be sent as there is room.
    assert_eq!(clients[0].get("/big?bytes=20000000").body.len(), 20_000_000);
    assert_eq!(clients[0].get("/").status, 200);
    clients[1].send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(clients[1].answer().status, 200);
    clients[1].is_closed();
}

#[test]
fn the_kernel_spreads_the_connections() {
    if !common::sys::REUSE_PORT_BALANCES {
        println!("not here: this system gives all of them to one listener");
        return;
    }
    let server = start(&["--trace=json"]);
    let address = server.address();
    let mut loops = HashSet::new();
    // With four loops, one in 4^31 runs sees only one of them used.
    for _ in 0..32 {
        assert_eq!(Client::connect(address).get("/").status, 200);
    }
    let (_, said) = server.kill();
    for record in said.iter().filter_map(|line| common::lab::Record::parse(line)) {
        if record.accepted().is_some() {
            loops.insert(record.tid);
        }
    }
    assert!(loops.len() > 1, "one loop accepted everybody");
}
