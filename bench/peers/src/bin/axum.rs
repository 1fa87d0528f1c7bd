//! axum: two tokio workers, TCP_NODELAY, the demo routes.

use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::RawQuery;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::routing::get;
use axum::serve::ListenerExt;
use peers::{HELLO, TEXT, TOKIO_WORKERS, announce, bind, number};
use tokio::net::TcpListener;

type Fields = [(HeaderName, &'static str); 2];

/// The fields that the stages send, so that sizes are equal.
fn fields(request: &HeaderMap) -> Fields {
    let close = request.contains_key(CONNECTION);
    [(CONTENT_TYPE, TEXT), (CONNECTION, if close { "close" } else { "keep-alive" })]
}

async fn hello(request: HeaderMap) -> (Fields, &'static str) {
    (fields(&request), HELLO)
}

async fn slow(RawQuery(query): RawQuery) -> &'static str {
    let pause = Duration::from_millis(number(query.as_deref(), "ms").min(10_000));
    // A handler that blocks belongs on tokio's threads for such.
    let _ = tokio::task::spawn_blocking(move || thread::sleep(pause)).await;
    "slept\n"
}

async fn big(RawQuery(query): RawQuery) -> Vec<u8> {
    vec![b'x'; number(query.as_deref(), "bytes").min(64 << 20) as usize]
}

fn main() -> std::io::Result<()> {
    let listener = bind()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(TOKIO_WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        announce(listener.local_addr()?)?;
        let listener = TcpListener::from_std(listener)?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let routes =
            Router::new().route("/", get(hello)).route("/slow", get(slow)).route("/big", get(big));
        axum::serve(listener, routes).await
    })
}
