//! `--root`, from outside: the sample site in `tests/site`, and folders that
//! change while they are served. What a path may and may not reach is tested
//! case by case in `src/files/tests.rs`.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::Server;
use support::cases::{self, Outcome, Refused, SOME, Served};
use support::client::{Client, End};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site")
}

fn serve(root: &Path) -> Server {
    Server::ch07(&["--workers", "2", "--root", root.to_str().unwrap()])
}

/// An empty folder; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("root-{}-{n}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.0.join(name), content).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Every file below this folder, as the path that it is served under.
fn files(folder: &Path, prefix: &str, into: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap().replace(' ', "%20");
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{prefix}{name}/"), into);
        } else {
            into.push((format!("{prefix}{name}"), entry.path()));
        }
    }
}

#[test]
fn every_file_of_a_site_is_served_whole_and_a_second_time_not_at_all() {
    let server = serve(&sample());
    let mut client = Client::connect(server.address());
    let mut all = Vec::new();
    files(&sample(), "/", &mut all);
    assert!(all.len() >= 9, "{all:?}");
    for (path, file) in &all {
        let content = fs::read(file).unwrap();
        let answer = client.get(path);
        assert_eq!((answer.status, &answer.body), (200, &content), "{path}");
        let media_type = match file.extension().unwrap().to_str().unwrap() {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "json" => "application/json; charset=utf-8",
            "svg" => "image/svg+xml",
            "ttf" => "font/ttf",
            "md" => "text/markdown; charset=utf-8",
            other => panic!("which type has .{other}?"),
        };
        assert_eq!(answer.field("content-type"), Some(media_type), "{path}");

        for (given, condition) in
            [("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")]
        {
            let value = answer.field(given).unwrap();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{condition}: {value}\r\n\r\n"));
            let again = client.answer();
            assert_eq!(again.status, 304, "{path} {condition}");
            for kept in ["etag", "last-modified", "cache-control"] {
                assert_eq!(again.field(kept), answer.field(kept), "RFC 9110 §15.4.5: {path}");
            }
        }
        assert_eq!(answer.field("cache-control"), Some("no-cache"), "{path}");
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let head = client.answer_to("HEAD");
        let of_get: Vec<_> = answer.fields.iter().filter(|(name, _)| name != "date").collect();
        let of_head: Vec<_> = head.fields.iter().filter(|(name, _)| name != "date").collect();
        assert_eq!(of_head, of_get, "RFC 9110 §9.3.2: {path}");
    }
    assert_eq!(client.get("/").body, fs::read(sample().join("index.html")).unwrap());
    let moved = client.get("/chapter");
    assert_eq!(moved.field("location"), Some("/chapter/"));
    // RFC 9110 §15.1: without a word on it, caches may keep a 301 or a 404 as long as they like.
    for answer in [moved, client.get("/nothing")] {
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{answer:?}");
    }
    assert_eq!(client.get("/_demo/big?bytes=3").text(), "012");
    for missing in ["/nothing", "/index.html/", "/big?bytes=3", "/../Cargo.toml", "/css/%2e%2e/x"] {
        assert_eq!(client.get(missing).status, 404, "{missing}");
    }
    assert_eq!(server.finish(), [""; 0]);
}

/// Each at once, byte by byte, and with another request behind: whatever comes of
/// a path or a condition, the next request is found where it begins.
#[test]
fn paths_and_conditions_as_bytes() {
    let folder = Folder::new();
    folder.write("ten", b"0123456789");
    folder.write("100%", b"odd name");
    folder.write("empty", b"");
    fs::create_dir_all(folder.0.join("sub/index.html")).unwrap();
    symlink("/etc/passwd", folder.0.join("out")).unwrap();
    symlink("ten", folder.0.join("in")).unwrap();
    let pipe = Command::new("mkfifo").arg(folder.0.join("pipe")).status();
    assert!(pipe.is_ok_and(|status| status.success()), "mkfifo(1), which POSIX has, is missing");
    let ask = |line: &str, fields: &str, outcome: Outcome| {
        (format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}\r\n").into_bytes(), outcome)
    };
    let get = |target: &str, outcome| ask(&format!("GET {target}"), "", outcome);
    let ten = |fields: &str, outcome| ask("GET /ten", fields, outcome);
    let whole = Served(200, "0123456789");
    let cases = [
        get("/ten", whole),
        get("/ten?query", whole),
        get("http://y/ten", whole),
        get("/%74en", whole),
        get("/in", whole),
        get("/100%25", Served(200, "odd name")),
        get("/100%", Refused(400)),
        get("/empty", Served(200, "")),
        get("/", Served(404, SOME)), // folders are not listed
        get("/sub", Served(301, SOME)),
        get("/sub?a=b", Served(301, SOME)),
        get("/sub/", Served(403, SOME)), // its index is no file
        get("/pipe", Served(403, SOME)),
        get("/out", Served(403, SOME)),
        get("/../ten", Served(404, SOME)),
        get("/sub/../ten", Served(404, SOME)),
        get("/%2e%2e/ten", Served(404, SOME)),
        get("/%2Ften", Served(404, SOME)),
        get("/ten%00", Served(404, SOME)),
        get("/ten%0d%0aX:%20y", Served(404, SOME)),
        get("//ten", Served(404, SOME)),
        get("/ten/", Served(404, SOME)),
        get("https://x/ten", Refused(421)),
        ask("HEAD /ten", "", Served(200, "")),
        ask("HEAD /nothing", "", Served(404, "")),
        ask("HEAD /sub", "", Served(301, "")),
        ask("HEAD /ten", "Range: bytes=0-0\r\n", Served(200, "")),
        ask("HEAD /ten", "If-None-Match: *\r\n", Served(304, "")),
        ask("HEAD /ten", "If-Match: \"x\"\r\n", Served(412, "")),
        ask("OPTIONS /ten", "", Served(204, "")),
        ask("OPTIONS *", "", Served(204, "")),
        ask("DELETE /ten", "", Served(405, SOME)),
        ask("POST /ten", "Content-Length: 0\r\n", Served(405, SOME)),
        ask("BREW /ten", "", Served(501, SOME)),
        ask("CONNECT x:80", "", Refused(501)),
        ten("Range: bytes=2-4\r\n", Served(206, "234")),
        ten("Range: bytes=-3\r\n", Served(206, "789")),
        ten("Range: bytes=10-\r\n", Served(416, SOME)),
        ten("Range: bytes=0-1,4-5\r\n", whole),
        ten("Range: bytes=0-0\r\nRange: bytes=1-1\r\n", whole),
        ten("Range: bytes=0-0\r\nIf-Range: \"x\"\r\n", whole),
        ten("Range: bytes=0-0\r\nIf-Range: \"x\"\r\nIf-Range: \"y\"\r\n", whole),
        ten("If-None-Match: *\r\n", Served(304, "")),
        ten("If-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\n", whole),
        ten("If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT\r\n", Served(304, "")),
        ten("If-Modified-Since: Saturday, 01-Jan-50 00:00:00 GMT\r\n", Served(304, "")),
        ten("If-Modified-Since: Sat Jan  1 00:00:00 2050\r\n", Served(304, "")),
        ten("If-Modified-Since: 2050-01-01\r\n", whole),
        ten("If-Match: *\r\n", whole),
        ten("If-Match: \"x\"\r\nIf-Match: \"y\"\r\n", Served(412, SOME)),
        ten("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", Served(412, SOME)),
        // A condition on what is not there is not looked at (RFC 9110 §13.2.1).
        ask("GET /nothing", "If-None-Match: *\r\n", Served(404, SOME)),
        ask("GET /nothing", "If-Match: \"x\"\r\n", Served(404, SOME)),
        ask("GET /empty", "Range: bytes=-5\r\n", Served(200, "")),
        ask("GET /empty", "Range: bytes=0-\r\n", Served(416, SOME)),
    ];
    let server = serve(&folder.0);
    let second = "GET /_demo/big?bytes=7 HTTP/1.1\r\nHost: second\r\n\r\n";
    cases::play(server.address(), second, &cases);
    assert_eq!(server.finish(), [""; 0]);
}

/// 6 GiB, most of them a hole: more than 32 bits can count.
#[test]
fn a_huge_file_has_its_length_and_its_parts() {
    const SIZE: u64 = 6 << 30;
    const AT: u64 = (5 << 30) + 7;
    let folder = Folder::new();
    let file = File::create(folder.0.join("huge")).unwrap();
    file.set_len(SIZE).unwrap();
    file.write_all_at(b"mark", AT).unwrap();
    let server = serve(&folder.0);
    let mut client = Client::connect(server.address());
    client.send("HEAD /huge HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = client.answer_to("HEAD");
    assert_eq!(head.field("content-length"), Some("6442450944"));
    for (range, content) in [
        (format!("{AT}-{}", AT + 3), "mark"),
        (format!("{}-", SIZE - 2), "\0\0"),
        ("-3".to_string(), "\0\0\0"),
    ] {
        client.send(format!("GET /huge HTTP/1.1\r\nHost: x\r\nRange: bytes={range}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, &*answer.text()), (206, content), "{range}");
        assert!(answer.field("content-range").unwrap().ends_with("/6442450944"), "{range}");
    }
    assert_eq!(server.finish(), [""; 0]);
}

/// Whatever is asked for, it stays one line of the log, in its quotes.
#[test]
fn no_target_gets_out_of_its_line_of_the_log() {
    let server = Server::ch07(&["--workers", "1", "--log"]);
    let address = server.address();
    let mut client = Client::connect(address);
    let long = format!("/{}", "a".repeat(8000));
    for target in ["/\"200", "/\\\"", "/%1b[31m%0d%0aGET", "/'", &long] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    for refused in ["/\x1b[31m", "/\u{9b}31m", "/\u{202e}", "/a\tb"] {
        let mut client = Client::connect(address);
        client.send(format!("GET {refused} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(client.answer().status, 400, "{refused}");
    }
    let said = server.finish();
    let shown: Vec<_> = said.iter().map(|line| line.split(' ').nth(2).unwrap()).collect();
    let long = format!("{long}\"");
    assert_eq!(shown[..5], [r#"/\"200""#, r#"/\\\"""#, r#"/%1b[31m%0d%0aGET""#, r#"/\'""#, &*long],);
    assert_eq!(said.len(), 9, "{said:?}");
    assert!(said.iter().all(|line| line.bytes().all(|b| (b' '..0x7f).contains(&b))), "{said:?}");
    let refused = [r"/\x1b[31m", r"/\xc2\x9b31m", r"/\xe2\x80\xae", r"/a\tb"];
    for (line, target) in said[5..].iter().zip(refused) {
        // A read may be short, and less may have come when it was refused.
        let shown = line.split('"').nth(1).unwrap();
        let all = format!("GET {target}");
        let is_right =
            if cfg!(feature = "short-io") { all.starts_with(shown) } else { all == shown };
        assert!(is_right && line.contains("\" 400 "), "{target}: {line:?}");
    }
}

#[test]
fn parts_of_a_file() {
    let folder = Folder::new();
    let content: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    folder.write("file", &content);
    let server = serve(&folder.0);
    let mut client = Client::connect(server.address());
    for (range, first, end) in [
        ("0-0", 0, 1),
        ("0-", 0, 1_000_000),
        ("999999-", 999_999, 1_000_000),
        ("500-299999", 500, 300_000),
        ("-1", 999_999, 1_000_000),
        ("-2000000", 0, 1_000_000),
        ("10-99999999999999999999", 10, 1_000_000),
    ] {
        client.send(format!("GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes={range}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, &*answer.body), (206, &content[first..end]), "{range}");
        let stated = format!("bytes {first}-{}/1000000", end - 1);
        assert_eq!(answer.field("content-range"), Some(&*stated), "{range}");
    }
    for beyond in ["1000000-", "-0"] {
        client.send(format!("GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes={beyond}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("content-range")), (416, Some("bytes */1000000")));
    }
    for not_one in ["bytes=5-1", "bytes=0-1,5-6", "bytes=", "lines=0-1", "bytes=a-b"] {
        client.send(format!("GET /file HTTP/1.1\r\nHost: x\r\nRange: {not_one}\r\n\r\n"));
        assert_eq!(client.answer().status, 200, "{not_one}");
    }
    assert_eq!(server.finish(), [""; 0]);
}

/// Three clients fetch a file of 64 MiB at once; a fourth asked before, and reads nothing.
#[test]
fn large_files_are_sent_in_little_memory_to_many_at_once() {
    const SIZE: usize = 64 * 1024 * 1024;
    let folder = Folder::new();
    let pattern: Vec<u8> = (0..1024 * 1024_u32).map(|n| (n % 253) as u8).collect();
    let mut file = File::create(folder.0.join("large")).unwrap();
    for _ in 0..SIZE / pattern.len() {
        file.write_all(&pattern).unwrap();
    }
    let server = serve(&folder.0);
    let address = server.address();
    let get = "GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut silent = Client::connect(address);
    silent.send(get);
    silent.head_or_end("GET").unwrap(); // and nothing more for a while
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                client.send(get);
                let answer = client.answer();
                assert_eq!(answer.body.len(), SIZE);
                assert!(answer.body.chunks(pattern.len()).all(|chunk| chunk == pattern));
                client.is_closed();
            });
        }
    });
    assert_eq!(Client::connect(address).get("/").status, 404);
    if cfg!(target_os = "linux") {
        let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
        println!("peak of the server: {peak} KiB");
        assert!(peak < 16 * 1024, "{peak} KiB for files of {} KiB", SIZE / 1024);
    }
    assert_eq!(silent.answer().body.len(), SIZE);
    assert_eq!(server.finish(), [""; 0]);
}

/// The head has promised a length: an answer that cannot keep it must not look
/// as if it did.
#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection() {
    let folder = Folder::new();
    folder.write("file", &vec![b'x'; 64 * 1024 * 1024]);
    let server = serve(&folder.0);
    let address = server.address();
    let mut client = Client::connect(address);
    client.send("GET /file HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n");
    client.read_some(1); // it has begun, and the kernel takes a few MiB
    File::options().write(true).open(folder.0.join("file")).unwrap().set_len(1000).unwrap();
    let (bytes, end) = client.rest();
    assert!(bytes.len() < 64 * 1024 * 1024 && !bytes.contains("404"), "{}", bytes.len());
    assert!(matches!(end, End::Fin | End::Reset));
    server.terminate();
    let (status, said) = server.ended();
    assert_eq!(status.code(), Some(0));
    assert!(said[0].starts_with("client 127.0.0.1:"), "{said:?}");
    assert!(said[0].contains("failed to fill whole buffer"), "{said:?}");
}

#[test]
fn a_file_that_changes_is_sent_anew() {
    let folder = Folder::new();
    folder.write("file", b"one");
    let server = serve(&folder.0);
    let mut client = Client::connect(server.address());
    let one = client.get("/file");
    folder.write("file", b"two!");
    let tag = one.field("etag").unwrap();
    client.send(format!("GET /file HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n"));
    let two = client.answer();
    assert_eq!((two.status, &*two.text()), (200, "two!"));
    // Of another state of the file no part is wanted.
    client.send(format!(
        "GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\nIf-Range: {tag}\r\n\r\n"
    ));
    assert_eq!(client.answer().text(), "two!");
    fs::remove_file(folder.0.join("file")).unwrap();
    assert_eq!(client.get("/file").status, 404);
    assert_eq!(server.finish(), [""; 0]);
}
