//! tiny_http: four threads take requests; the crate itself has a thread for each
//! connection.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use peers::{HELLO, TEXT, announce, bind, number};
use tiny_http::{Header, Request, Response, Server};

fn answer(request: Request) {
    let (path, query) = match request.url().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (request.url(), None),
    };
    let response = match path {
        "/" => Response::from_string(HELLO),
        "/slow" => {
            thread::sleep(Duration::from_millis(number(query, "ms").min(10_000)));
            Response::from_string("slept\n")
        }
        "/big" => Response::from_data(vec![b'x'; number(query, "bytes").min(64 << 20) as usize]),
        _ => Response::from_string("not found\n").with_status_code(404),
    };
    let kind = Header::from_bytes("Content-Type", TEXT).expect("a header field");
    // The client has gone: nobody to tell.
    let _ = request.respond(response.with_header(kind).with_chunked_threshold(usize::MAX));
}

fn main() -> std::io::Result<()> {
    let listener = bind()?;
    let address = listener.local_addr()?;
    let server = Server::from_listener(listener, None).map_err(std::io::Error::other)?;
    let server = Arc::new(server);
    announce(address)?;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let server = Arc::clone(&server);
            thread::spawn(move || server.incoming_requests().for_each(answer))
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}
