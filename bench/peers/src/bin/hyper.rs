//! hyper 1.x on tokio: two workers, TCP_NODELAY, the demo routes.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use peers::{HELLO, TEXT, TOKIO_WORKERS, announce, bind, number};
use tokio::net::TcpListener;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().query();
    let (status, body) = match request.uri().path() {
        "/" => (StatusCode::OK, Bytes::from_static(HELLO.as_bytes())),
        "/slow" => {
            let pause = Duration::from_millis(number(query, "ms").min(10_000));
            // A handler that blocks belongs on tokio's threads for such.
            let _ = tokio::task::spawn_blocking(move || thread::sleep(pause)).await;
            (StatusCode::OK, Bytes::from_static(b"slept\n"))
        }
        "/big" => {
            let bytes = number(query, "bytes").min(64 << 20) as usize;
            (StatusCode::OK, Bytes::from(vec![b'x'; bytes]))
        }
        _ => (StatusCode::NOT_FOUND, Bytes::from_static(b"not found\n")),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    // hyper leaves it out, as it may; the others say it, and sizes shall be equal.
    if request.headers().get(CONNECTION).is_none() {
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    }
    Ok(response)
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
        let listener = TcpListener::from_std(listener)?;
        loop {
            // Out of descriptors, or the client has gone again: the next may be fine.
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let mut server = http1::Builder::new();
                server.timer(TokioTimer::new()).pipeline_flush(true);
                let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    })
}
